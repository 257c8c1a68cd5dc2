"""Fonts are found by family, weight and language, and never by a fallback that nobody asked for."""

import shutil

import pytest
from fontTools.ttLib import TTFont
from PIL import features
from vitrine.errors import BadRequest, Unavailable
from vitrine_orchestrator.lettering import fontconfig
from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.faces import read_faces
from vitrine_orchestrator.lettering.fonts import Fonts, check_glyphs, open_fonts
from vitrine_orchestrator.lettering.setting import Script, runs_of
from vitrine_orchestrator.settings import BadSettings, Settings


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("ko", "Noto Sans CJK KR"),
        ("ja", "Noto Sans CJK JP"),
        ("zh-Hans", "Noto Sans CJK SC"),
        ("zh-Hant", "Noto Sans CJK TC"),
        ("zh-HK", "Noto Sans CJK HK"),
    ],
)
def test_a_collections_face_is_that_of_the_language(fonts, language, family):
    """The face is known by its own name, not by its number in the file."""
    for weight, number in (("regular", 400), ("bold", 700)):
        face = fonts.faces("sans", weight, language)[0]
        assert (face.family, face.weight) == (family, number)


def test_han_characters_are_drawn_as_the_language_writes_them(fonts):
    """The same character has another shape in Japanese and in Chinese."""
    ja, zh = (Script(fonts.faces("sans", "bold", one), "bold", one).at(64) for one in ("ja", "zh-Hans"))
    drawn = [bytes(one._font(("骨", one.script.faces[0])).getmask("骨")) for one in (ja, zh)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("name", ["NanumGothic", "nanum gothic", "나눔고딕"])
def test_a_family_is_found_by_each_of_its_names(fonts, name):
    """Case and spaces do not matter."""
    assert fonts.faces(name, "bold", "ko")[0].path.name == "NanumGothicBold.ttf"


def test_an_unknown_family_is_refused(fonts):
    """Fontconfig would answer with another one; here the message lists what there is."""
    with pytest.raises(BadRequest, match=r"font must be one of sans, serif, round, .* got 'Helvetica Neue'"):
        fonts.faces("Helvetica Neue", "bold", "ko")


def test_a_server_without_fonts_says_what_to_install():
    """A kind of which nothing is installed is the operator's to mend."""
    with pytest.raises(
        Unavailable, match="no sans font is installed: install the Debian packages fonts-nanum"
    ):
        Fonts().faces("sans", "bold", "ko")


@pytest.mark.parametrize(
    ("text", "said"),
    [("신메뉴 🔥", "got '🔥' U\\+1F525 FIRE"), ("a\u0e01", "got 'ก' U\\+0E01 THAI CHARACTER KO KAI")],
)
def test_a_character_without_glyph_is_refused_by_name(fonts, text, said):
    """No tofu: emoji and scripts that no face has are bad requests."""
    with pytest.raises(BadRequest, match=said):
        check_glyphs("texts[0].text", clusters(text), fonts.faces("sans", "bold", "ko"))


def test_a_character_that_the_family_lacks_is_drawn_by_a_fallback(fonts):
    """NanumGothic has no simplified Han; the run changes its face and back."""
    faces = fonts.faces("NanumGothic", "bold", "ko")
    assert [(text, face.family) for text, face in runs_of("가 买 나", faces)] == [
        ("가 ", "NanumGothic"),
        ("买 ", "Noto Sans CJK KR"),
        ("나", "NanumGothic"),
    ]


def test_a_file_that_is_no_font_stops_the_start(tmp_path):
    """The message names the file: text with a font's ending, a cut font, a packed one."""
    (tmp_path / "OFL.txt").write_text("a licence is no font and is left alone")
    open_fonts(tmp_path)
    for name, content, said in (
        ("fake.ttf", b"not a font at all", "font fake.ttf must be a TrueType or OpenType file, got b'not '"),
        ("cut.otf", b"OTTO\x00\x0a" + b"\x00" * 40, "font cut.otf cannot be read"),
        ("brand.woff2", b"wOF2", "font brand.woff2 must be unpacked"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(BadSettings, match=said):
            open_fonts(tmp_path)
        path.unlink()
    with pytest.raises(BadSettings, match="VITRINE_FONT_FOLDER must be a folder"):
        open_fonts(tmp_path / "none")


def test_a_font_of_symbols_alone_has_no_characters(fonts, tmp_path):
    """Its table is not by Unicode; its family can be named, and the fallbacks draw the text."""
    with TTFont(fonts.faces("NanumGothic", "bold", "ko")[0].path) as font:
        for record in font["name"].names:
            record.string = "Shop Symbols" if record.nameID in (1, 16) else record.string
        table = next(one for one in font["cmap"].tables if one.format == 4)
        table.platformID, table.platEncID = 3, 0
        font["cmap"].tables = [table]
        font.save(tmp_path / "symbols.ttf")
    found = open_fonts(tmp_path).faces("Shop Symbols", "bold", "ko")
    assert found[0].family == "Shop Symbols"
    check_glyphs("text", ["가"], found)
    with pytest.raises(BadRequest, match="which none of Shop Symbols has"):
        check_glyphs("text", ["가"], found[:1])


def test_a_font_of_the_operators_folder_comes_first(fonts, tmp_path, monkeypatch):
    """Its family is found without fontconfig, and before the system's font of that name."""
    source = fonts.faces("NanumGothic", "bold", "ko")[0].path
    shutil.copy(source, tmp_path / "brand.ttf")
    monkeypatch.setattr(fontconfig, "PROGRAM", "no-such-program")
    own = open_fonts(Settings.from_environment({"VITRINE_FONT_FOLDER": str(tmp_path)}).font_folder)
    assert own.faces("NanumGothic", "bold", "ko")[0].path == tmp_path / "brand.ttf"
    assert own.system == {}


def test_without_raqm_nothing_starts(monkeypatch):
    """Pillow's basic layout sets Hangul jamo and vertical text wrongly."""
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(BadSettings, match="Pillow must have RAQM"):
        open_fonts(None)


def test_every_face_of_a_collection_is_read(fonts):
    """Their names and numbers are the file's."""
    (path,) = {face.path for face in fonts.faces("sans", "bold", "ko") if face.path.suffix == ".ttc"}
    names = {face.family for face in read_faces(path)}
    assert {f"Noto Sans CJK {region}" for region in ("JP", "KR", "SC", "TC", "HK")} <= names
