"""Fonts are found by family, weight and language, and never by a fallback that nobody asked for."""

import os
import shutil
import subprocess
import sys
from unicodedata import normalize

import pytest
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph, GlyphComponent
from PIL import features
from vitrine.errors import BadRequest, StageFailed, Unavailable
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


@pytest.mark.parametrize("name", ["NanumGothic", "nanum gothic", "나눔고딕", normalize("NFD", "나눔고딕")])
def test_a_family_is_found_by_each_of_its_names(fonts, name):
    """Case, spaces and the form of Unicode do not matter."""
    assert fonts.faces(name, "bold", "ko")[0].path.name == "NanumGothicBold.ttf"


def test_names_are_read_in_every_locale(fonts, tmp_path):
    """Triton's processes often have the locale C: Korean names of families and files are read there too."""
    shutil.copy(fonts.faces("NanumGothic", "bold", "ko")[0].path, tmp_path / "나눔.ttf")
    (tmp_path / "글꼴.otf").write_bytes(b"nope")
    code = f"""
from pathlib import Path
from vitrine_orchestrator.lettering.faces import read_faces
from vitrine_orchestrator.lettering.fontconfig import system_files
from vitrine_orchestrator.lettering.fonts import Fonts
from vitrine_orchestrator.lettering.setting import Script
from vitrine_orchestrator.settings import BadSettings
name, files = {"나눔고딕"!a}, system_files()
assert name in files and not any(chr(0xfffd) in one for one in files)
folder = Path({str(tmp_path)!a})
own = Fonts(read_faces(next(folder.glob("*.ttf")))).faces(name, "bold", "ko")
assert Script(own, "bold", "ko").at(20).length({"가"!a})
try:
    read_faces(next(folder.glob("*.otf")))
except BadSettings as error:
    assert {"글꼴.otf"!a} in str(error)
"""
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **locale},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_an_unknown_family_is_refused(fonts):
    """Fontconfig would answer with another one; here the message lists what there is."""
    with pytest.raises(BadRequest, match=r"font must be one of sans, serif, round, .* got 'Helvetica Neue'"):
        fonts.faces("Helvetica Neue", "bold", "ko")
    with pytest.raises(BadRequest, match="font must be one of"):
        fonts.faces("{0}", "bold", "ko")


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


def changed_font(fonts, path, change):
    """NanumGothic with a change, as a file."""
    path.parent.mkdir(exist_ok=True)
    with TTFont(fonts.faces("NanumGothic", "bold", "ko")[0].path, recalcBBoxes=False) as font:
        change(font)
        font.save(path)
    return path


def named_family(name):
    """A change of a font's family."""

    def change(font):
        for record in font["name"].names:
            record.string = name if record.nameID in (1, 16) else record.string

    return change


def test_fonts_are_found_in_linked_folders_and_not_by_hidden_names(fonts, tmp_path):
    """A folder that links back is gone through once; what macOS adds beside a font is left alone."""
    folder, other = tmp_path / "fonts", tmp_path / "other"
    changed_font(fonts, other / "brand.ttf", named_family("Linked"))
    folder.mkdir()
    (folder / "linked").symlink_to(other)
    (other / "back").symlink_to(folder)
    (folder / "._brand.ttf").write_bytes(b"\0\5\x16\7")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "old.woff").write_bytes(b"wOFF")
    assert [face.family for face in open_fonts(folder).own] == ["Linked"]


def test_a_family_of_italic_faces_alone_can_be_used(fonts, tmp_path):
    """Where there is an upright face, that one is taken."""

    def italic(font):
        named_family("Script")(font)
        font["OS/2"].fsSelection = 1

    changed_font(fonts, tmp_path / "italic.ttf", italic)
    assert open_fonts(tmp_path).faces("Script", "bold", "ko")[0].italic
    changed_font(fonts, tmp_path / "upright.ttf", named_family("Script"))
    assert not open_fonts(tmp_path).faces("Script", "bold", "ko")[0].italic


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda font: font.__delitem__("OS/2"), r"font odd.ttf must have the tables .*, lacks \['OS/2'\]"),
        (lambda font: font.__delitem__("name"), r"font odd.ttf must have the tables .*, lacks \['name'\]"),
        (named_family(""), "font odd.ttf must have the name of a family"),
    ],
    ids=["weights", "names", "family"],
)
def test_a_font_that_lacks_what_is_needed_is_refused_by_name(fonts, tmp_path, change, said):
    """With the table that it lacks."""
    with pytest.raises(BadSettings, match=said):
        read_faces(changed_font(fonts, tmp_path / "odd.ttf", change))


def test_a_pipe_is_no_font(tmp_path):
    """It is not opened, which would wait for ever."""
    os.mkfifo(tmp_path / "pipe.ttf")
    with pytest.raises(BadSettings, match=r"font pipe.ttf must be a file"):
        open_fonts(tmp_path)


def test_a_damaged_glyph_is_told_with_the_fonts_name(fonts, tmp_path):
    """Glyphs are read when they are drawn: the operator learns which file is meant."""

    def endless(font):
        name = font.getBestCmap()[ord("A")]
        part = GlyphComponent()
        part.glyphName, part.x, part.y, part.flags = name, 0, 0, 4
        glyph = font["glyf"][name] = Glyph()
        glyph.numberOfContours, glyph.components = -1, [part]
        glyph.xMin = glyph.yMin = glyph.xMax = glyph.yMax = 0

    faces = read_faces(changed_font(fonts, tmp_path / "endless.ttf", endless))
    with pytest.raises(StageFailed, match=r"the font endless.ttf is damaged: invalid composite glyph"):
        Script(faces, "bold", "ko").at(20).ink("A")


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
