"""Texts that templates set: they cover nothing and can be read, and their renderer can do no harm."""

import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from vitrine.errors import BadRequest, StageFailed, Unavailable
from vitrine_orchestrator.lettering.html import renderer as renderer_module
from vitrine_orchestrator.lettering.html.renderer import PROGRAM, Page, Renderer
from vitrine_orchestrator.lettering.html.setting import ways
from vitrine_orchestrator.lettering.html.templates import DESIGNS, Lines, Look
from vitrine_orchestrator.lettering.options import read_text
from vitrine_orchestrator.lettering.overlay import overlaid
from vitrine_orchestrator.lettering.setting import Script


def picture(width=480, height=400):
    """Noise on which no colour has enough contrast everywhere."""
    drawn = np.random.default_rng(0).normal(120, 45, (height, width, 1)).clip(0, 255)
    return np.repeat(drawn, 3, 2).astype(np.uint8)


@pytest.fixture
def set_text(setters):
    """Sets one text, an object of its fields, on noise."""

    def run(keep=None, **fields):
        made, (told,) = overlaid(picture(), [read_text("texts[0]", fields)], setters, keep)
        return made, told

    return run


@pytest.fixture
def page(fonts):
    """A page of a template's own fonts."""
    faces = fonts.faces("sans", "bold", "ko")
    return lambda html, style="": Page(f'<div class="page">{html}</div>', style, "ko", faces, 700)


@pytest.mark.parametrize("template", DESIGNS)
def test_a_template_covers_nothing_and_can_be_read(set_text, template):
    """Each stands beside what must stay clear, of which no pixel changes, with its contrast in every line."""
    keep = np.zeros((400, 480), np.uint8)
    keep[230:, 220:] = 255
    made, told = set_text(keep, text="신메뉴 라떼", subline="오늘만 4,500원", template=template)
    assert np.array_equal(made[keep > 0], picture()[keep > 0])
    assert (told["way"], told["template"], told["overlap"]) == ("html", template, 0)
    assert told["contrast_p5"] >= 4.5
    ink = np.array(list(bytes.fromhex(told["colour"][1:])))
    assert len(told["line_boxes"]) == len(told["lines"]) + len(told["sublines"])
    for left, top, right, bottom in told["line_boxes"]:
        drawn = (made[top:bottom, left:right] == ink).all(2)
        assert 0.05 < drawn.mean() < 0.9


def test_the_same_text_gives_the_same_pixels(set_text):
    """The renderer has no state that shows."""
    first, _ = set_text(text="세일", template="ribbon")
    set_text(text="다른 글", template="card")
    assert np.array_equal(set_text(text="세일", template="ribbon")[0], first)


def test_markup_in_a_text_is_text(set_text, fonts):
    """It is drawn as characters, and stands escaped in the page."""
    sent = '<img src="http://x/">&amp;'
    _, told = set_text(text=sent, template="card", min_size=10)
    assert "".join("".join(told["lines"]).split()) == "".join(sent.split())
    look = Look(DESIGNS["card"], (0, 0, 0), fonts.faces("sans", "bold", "en"), 700, "en")
    written = look.html(Lines(('<b style="x">',), ("</div>",)))
    assert "<b" not in written
    assert "&lt;b style=&quot;x&quot;&gt;" in written
    assert "&lt;/div&gt;" in written


def test_a_glyph_comes_from_the_next_font_that_has_it(set_text, setters, fonts):
    """Nanum has no simplified Han: the renderer draws the fallback's glyph, and not the sign for none."""
    _, told = set_text(text="买买买", font="NanumGothic", language="zh-Hans", template="ribbon")
    assert told["fonts"] == ["Noto Sans CJK SC"]
    faces = fonts.faces("NanumGothic", "bold", "zh-Hans")
    html, style = '<div class="page">买</div>', ".page{font-size:60px;line-height:1;color:#000}"

    def drawn(renderer, *used):
        alpha = renderer.draw(Page(html, style, "zh-Hans", used, 700), 80, 80)[..., 3]
        rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
        cut = alpha[rows[0] : rows[0] + 50, columns[0] : columns[0] + 50]
        return cut / 255

    with_fallback, wanted = drawn(setters.renderer, *faces), drawn(setters.renderer, *faces[1:])
    alone = Renderer()  # it takes a glyph from any font that it was ever given
    missing = drawn(alone, faces[0])
    alone.close()
    assert np.abs(with_fallback - wanted).mean() < 0.05 < np.abs(missing - wanted).mean()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "불 🔥", "template": "card"}, "texts[0].text must have characters that its fonts can draw"),
        ({"text": "불", "subline": "🔥", "template": "card"}, "texts[0].subline must have characters"),
        ({"text": "a\u202eb", "template": "card"}, "must have no controls of writing direction"),
        ({"text": "שלום", "template": "card"}, "must be written from left to right"),
        ({"text": "가" * 10_000, "template": "card"}, "at most 1000 characters, got 10000"),
        ({"text": "가" * 900, "template": "ribbon"}, "texts[0] must fit at its least size"),
        ({"text": "가", "template": "poster"}, "template must be one of headline, price-tag"),
        ({"text": "가", "template": "card", "rotation": 3}, "rotation must not be given with template"),
        ({"text": "가", "subline": "나"}, "subline must not be given with a text that has no template"),
        ({"text": "가", "template": "headline", "accent": "red"}, "accent must not be given with headline"),
        (
            {"text": "가", "template": "price-tag", "colour": "white"},
            "colour must have a contrast of 4.5 with the ground of price-tag, got 1.4",
        ),
        ({"text": "가나다", "template": "card", "box": [0, 0, 0.02, 0.02]}, "with the template card, got"),
        ({"text": "가", "template": "card", "accent": "url(x)"}, "accent must be #rrggbb or one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_template_cannot_do_is_refused(set_text, fields, said):
    """With the field, the rule and the value."""
    with pytest.raises(BadRequest) as refused:
        set_text(**fields)
    assert said in str(refused.value)


def test_lines_keep_the_rules_of_all_texts(fonts):
    """A price stays whole in every way to break a text, and each number of lines has one way at most."""
    setting = Script(fonts.faces("sans", "bold", "ko"), "bold", "ko").at(100)
    found = ways("카페 신메뉴 4,500 원", "ko", "words", setting, 3)
    assert [len(lines) for lines in found] == [1, 2, 3]
    assert all(any("4,500 원" in line for line in lines) for lines in found)


def test_the_renderer_survives_what_breaks_its_limits(page):
    """Too much memory or time is a typed error, and the next page is drawn by a new process."""
    small = Renderer(memory_bytes=400 * 2**20)
    style = ".page{font-size:100000px;color:#000}"
    with pytest.raises(StageFailed, match=r"at most 5 s and 400 MiB"):
        small.draw(page("가나다", style), 8000, 8000)
    assert small.draw(page("가", ".page{font-size:40px;color:#000}"), 60, 60)[..., 3].any()
    small.timeout_s = 1e-6
    with pytest.raises(StageFailed):
        small.draw(page("가"), 2000, 2000)
    small.timeout_s = 5
    assert small.draw(page("가", ".page{font-size:40px;color:#000}"), 60, 60)[..., 3].any()
    small.close()


def test_the_renderer_reaches_nothing(setters, page, tmp_path):
    """Addresses and files of a page are not asked for, whatever a template might let through."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: asked.append(server.accept()[0].close()), daemon=True).start()
        secret = tmp_path / "secret.svg"
        secret.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">'
            '<rect width="20" height="20" fill="#f00"/></svg>'
        )
        html = (
            f'<img src="http://127.0.0.1:{port}/a.png"><img src="file://{secret}">'
            f'<div style="width:20px;height:20px;background:url(http://127.0.0.1:{port}/b.png)"></div>'
        )
        style = f'@import url("http://127.0.0.1:{port}/c.css");'
        drawn = setters.renderer.draw(page(html, style), 60, 60)
        assert not drawn[..., 3].any()
        assert not asked
        socket.create_connection(("127.0.0.1", port)).close()  # the canary does notice


def test_the_confined_process_can_open_nothing():
    """Neither a file nor a socket, and no more memory than its limit."""
    code = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from renderer_child import confine
confine(256 * 2**20)
for name, act in (
    ("file", lambda: open("/etc/hostname")),
    ("socket", lambda: socket.socket()),
    ("memory", lambda: bytearray(2**30)),
):
    try:
        act()
    except (OSError, MemoryError):
        print(name, end=" ")
"""
    words = [sys.executable, "-c", code, str(PROGRAM.parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["file", "socket", "memory"]


def test_without_its_package_a_template_says_what_to_install(page, monkeypatch):
    """And nothing else needs it."""
    monkeypatch.setattr(renderer_module, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"install vitrine\[server\], which holds the Python package"):
        Renderer().measure(page("가"))
