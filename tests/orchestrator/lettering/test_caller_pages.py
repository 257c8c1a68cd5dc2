"""Callers' own pages: a hostile one reaches nothing and harms nothing, a usual one is placed like a text."""

import os
import struct
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vitrine.errors import BadRequest, Unavailable
from vitrine_orchestrator.lettering.html import browser as browser_module
from vitrine_orchestrator.lettering.html.browser import (
    ADVICE,
    FLAGS,
    Browser,
    Drawn,
    Tab,
    find_program,
    open_browser,
)
from vitrine_orchestrator.lettering.html.browser_page import Words
from vitrine_orchestrator.lettering.options import read_text
from vitrine_orchestrator.lettering.overlay import Setters, overlaid

sys.path.insert(0, str(Path(__file__).parent))

from canary import Canary, hostile_page

OPEN_FLAGS = tuple(one for one in FLAGS if not one.startswith(("--host-resolver", "--proxy", "--dns")))
"""The browser's flags without those that keep it from the network."""
NAME = "texts[0].html"
BLUE = (0, 0, 255)


@pytest.fixture(scope="module")
def browser():
    """The system's browser; the tests are skipped, with what to install, where it is missing."""
    if find_program() is None:
        pytest.skip(f"callers' pages need a browser: {ADVICE}")
    found = open_browser("on")
    try:
        found.draw(NAME, "<p>a", 40, 40)
    except Unavailable:  # a container that allows no namespaces of users: the other walls are tested
        found = replace(found, sandbox=False)
        try:
            found.draw(NAME, "<p>a", 40, 40)
        except Unavailable:
            found = replace(found, network=True)
    return replace(found, timeout_s=60)  # the machine of the tests may be busy


@pytest.fixture
def canary():
    """A server that notes whoever connects."""
    server = Canary()
    yield server
    server.close()


@pytest.fixture
def secret(tmp_path):
    """A red picture that only its path leads to."""
    file = tmp_path / "secret.svg"
    file.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" '
        'fill="#f00"/></svg>'
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == Path.home().owner() and folder != Path("/") and "pytest" in str(folder):
            folder.chmod(0o755)  # so that it is no right of files that hides it
    file.chmod(0o644)
    return file


@pytest.fixture
def allowing(fonts, browser, monkeypatch):
    """What sets texts, with callers' pages allowed."""
    monkeypatch.setattr(
        "vitrine_orchestrator.lettering.html.page_text.open_browser", lambda allowed, timeout_s: browser
    )
    return Setters(fonts, caller_html="on")


def drawn_of(layer, colour):
    """The share of pixels of a colour."""
    return (layer == (*colour, 255)).all(2).mean()


def checked(drawn):
    """The page's own line is drawn and measured, its forbidden pictures and scripts are not there."""
    assert drawn_of(drawn.layer, BLUE) > 0.001
    assert drawn_of(drawn.layer, (255, 0, 0)) == 0
    assert drawn_of(drawn.bare, BLUE) == 0
    assert "신메뉴" in drawn.words.text
    assert any(line.ink == BLUE for line in drawn.words.lines)
    time.sleep(0.2)  # for a connection that is late


@pytest.mark.parametrize("network", [False, True], ids=["all walls", "without the network namespace"])
def test_a_hostile_page_reaches_nothing(browser, canary, secret, network):
    """No connection, no file, no script, no refresh."""
    used = replace(browser, network=network or browser.network)
    checked(used.draw(NAME, hostile_page(canary.port, secret), 500, 400))
    assert canary.heard == []


def test_the_policy_lets_no_request_through_by_itself(browser, canary, secret):
    """With the machine's network and without the flags for it, a preconnect connects and says nothing."""
    used = replace(browser, network=True, flags=OPEN_FLAGS)
    checked(used.draw(NAME, hostile_page(canary.port, secret), 500, 400))
    assert set(canary.heard) <= {""}


def test_the_same_page_gets_out_of_an_open_browser(browser, canary, secret, tmp_path):
    """The control: the canary hears what a browser without walls asks for."""
    page = tmp_path / "page.html"
    page.write_text(hostile_page(canary.port, secret).replace("while (true) {}", ""))
    words = [str(browser.program), "--headless", "--no-sandbox", "--disable-gpu", "--timeout=1500"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", str(page)]
    subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert len({line.split()[1] for line in canary.heard if line}) >= 5


def bomb(side=23_000):
    """A picture of side² pixels in few bytes."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HUGE = {
    "picture": f'<p>a</p><img src="data:image/png;base64,{b64encode(bomb()).decode()}">',
    "sizes and depth": '<p style="font-size:1e6px">a</p>'
    '<div style="width:1e9px;height:1e9px;filter:blur(9999px)">' + "<div>" * 19_000,
}


@pytest.mark.parametrize("huge", HUGE)
def test_a_huge_page_is_drawn_or_refused(browser, huge):
    """Never more than its time: a bad request, or a picture of the size that was asked for."""
    used, start = replace(browser, timeout_s=4), time.monotonic()
    try:
        shape = used.draw(NAME, HUGE[huge], 300, 200).layer.shape
    except BadRequest as refused:
        shape = str(refused)
    assert shape == (200, 300, 4) or "must be drawn" in shape
    assert time.monotonic() - start < 15


def test_a_page_has_little_time_and_memory(browser):
    """Both are bad requests that name the limit; the next page is drawn."""
    with pytest.raises(BadRequest, match=r"html must be drawn within 0.01 s"):
        replace(browser, timeout_s=0.01).draw(NAME, "<p>a", 40, 40)
    assert drawn_of(browser.draw(NAME, '<body style="background:#00f">', 40, 40).layer, BLUE) == 1


def test_a_page_stands_beside_the_product_and_can_be_read(allowing):
    """It is cut to what it shows, placed by the search, and gets a scrim for the worst of its texts."""
    noise = np.random.default_rng(0).normal(120, 45, (300, 400, 1)).clip(0, 255)
    picture = np.repeat(noise, 3, 2).astype(np.uint8)
    keep = np.zeros((300, 400), np.uint8)
    keep[150:] = 255
    html = '<body style="margin:0;font-size:40px;color:#fff">세일 <b style="color:#ff0">50%</b>'
    text = read_text("texts[0]", {"html": html, "page": [300, 100]})
    made, (told,) = overlaid(picture, [text], allowing, keep)
    assert (told["way"], told["found_by"], told["method"]) == ("page", "search", "scrim")
    assert told["contrast_p5"] >= 4.5
    assert told["overlap"] == 0
    assert np.array_equal(made[keep > 0], picture[keep > 0])
    assert len(told["line_boxes"]) == 2
    assert told["box"][2] - told["box"][0] < 200


GRADIENT = "background:linear-gradient(90deg,#f6efe6,#fff);background-clip:text;color:transparent"
PALE = {
    "oklch": "<h1 style='color:oklch(0.96 0.02 70)'>SALE 50%</h1>",
    "display-p3": "<h1 style='color:color(display-p3 .98 .94 .9)'>SALE 50%</h1>",
    "lab": "<h1 style='color:lab(95 2 5)'>SALE 50%</h1>",
    "mixed": "<h1 style='color:color-mix(in srgb, white, beige)'>SALE 50%</h1>",
    "gradient": f"<h1 style='{GRADIENT}'><span>SALE 50%</span></h1>",
    "form": f"<form style='font-size:40px;{GRADIENT}'>SALE<input name=style type=hidden></form>",
    "stroke": "<h1 style='font-size:60px;color:transparent;-webkit-text-stroke:3px #f6efe6'>SALE</h1>",
    "svg": "<svg width=290 height=90><text x=9 y=50 font-size=40 fill='#f6efe6'>SALE</text></svg>",
    "opacity": "<div style='opacity:.3'><h1 style='color:#000'>SALE 50%</h1></div>",
    "content": "<style>p::before{content:'SALE';font-size:40px;color:#f6efe6}</style><p></p>",
}
"""Pages of text that cannot be read on paper."""


@pytest.fixture(scope="module")
def pale_pages(browser):
    """The pages of PALE, all drawn by one browser: their pixels and texts by name."""
    with browser.started(time.monotonic() + 60) as connection:
        tab = Tab(connection, 300, 100)
        return {page: tab.drawn(NAME, html) for page, html in PALE.items()}


@pytest.mark.parametrize("page", PALE)
def test_text_in_any_colour_is_measured(fonts, monkeypatch, pale_pages, page):
    """Colours of every space, gradients, strokes and SVG: what is pale on pale is told so, never as 21."""
    given = Given(0)
    monkeypatch.setattr(given, "draw", lambda *args: pale_pages[page])
    monkeypatch.setattr(
        "vitrine_orchestrator.lettering.html.page_text.open_browser", lambda allowed, timeout_s: given
    )
    text = read_text("texts[0]", {"html": PALE[page], "page": [300, 100], "contrast": "off"})
    paper = np.full((300, 400, 3), (230, 225, 215), np.uint8)
    _, (told,) = overlaid(paper, [text], Setters(fonts, caller_html="on"))
    assert 1 < told["contrast_p5"] < 1.6
    assert len(told["line_boxes"]) == 1


def test_dark_text_of_svg_is_measured_without_its_ink(browser):
    """Its fill is what counts, and is hidden where the ground is measured."""
    html = "<svg width=290 height=90 viewBox='0 0 145 45'><text x=4 y=25 font-size=20>SALE</text></svg>"
    drawn = browser.draw(NAME, html, 300, 100)
    (line,) = drawn.words.lines
    assert (line.ink, line.opacity, drawn.words.size) == ((0, 0, 0), 1, 40)
    assert drawn.layer[..., 3].any()
    assert not drawn.bare[..., 3].any()


def test_only_text_that_is_shown_is_read(browser):
    """Not that of closed details, of what is not displayed, or of what is transparent; composed (NFC)."""
    html = (
        "<details><summary>a</summary>\U0001f525<p>\U0001f525</p></details><details open>b</details>"
        "<div style='display:none'><p>\U0001f525</p></div><div style='display:contents'>c</div>"
        "<p style='opacity:0'>\U0001f525</p><p style='content-visibility:hidden'>\U0001f525</p>e\u0301"
    )
    assert browser.draw(NAME, html, 300, 300).words.text.split() == ["a", "b", "c", "\xe9"]


class Given:
    """A browser that has drawn a page already."""

    def __init__(self, height, text=""):
        self.layer = np.zeros((900, 900, 4), np.uint8)
        self.layer[:height, :, 3] = 255
        self.text = text

    def draw(self, name, html, width, height):
        return Drawn(self.layer, self.layer, Words(self.text, (), 20))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Given(9, "불 🔥"), "got '🔥' U+1F525 FIRE"),
        (Given(0), "html must show something"),
        (Given(900), "html must fit into 180x90 px at 0.4"),
    ],
    ids=["emoji", "nothing", "large"],
)
def test_a_page_that_cannot_be_used_is_refused(fonts, monkeypatch, given, said):
    """With the field and the rule."""
    monkeypatch.setattr(
        "vitrine_orchestrator.lettering.html.page_text.open_browser", lambda allowed, timeout_s: given
    )
    text = read_text("texts[0]", {"html": "<p>a", "page": [900, 900], "margin": 0.1})
    with pytest.raises(BadRequest) as refused:
        overlaid(np.zeros((112, 202, 3), np.uint8), [text], Setters(fonts, caller_html="on"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"html": "<p>a"}, "html must not be given: this server draws no pages of callers"),
        ({"html": "x" * 100_001}, "html must be a page of 1 to 100000 characters, got 100001"),
        ({"html": "<p>a", "text": "a"}, "text must not be given with html"),
        ({"html": "<p>a", "page": [10, 10]}, "page[0] must be 16 to 4096, got 10"),
        ({"html": "<p>a", "page": 3}, "page must be a width and a height in pixels"),
        ({"text": "a", "page": [90, 90]}, "page must not be given with a text that has no template"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_pages_are_refused_where_they_are_not_allowed(fonts, fields, said):
    """Off is the default; fields of a text do not go with a page."""
    with pytest.raises(BadRequest) as refused:
        overlaid(np.zeros((90, 90, 3), np.uint8), [read_text("texts[0]", fields)], Setters(fonts))
    assert said in str(refused.value)


def test_without_a_browser_the_refusal_says_what_to_install(monkeypatch):
    """And where a kernel allows no namespaces, what may be set."""
    monkeypatch.setattr(browser_module.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="install the Debian package chromium"):
        open_browser("on")
    with pytest.raises(Unavailable, match="the browser for callers' pages ended by itself"):
        Browser(Path("/bin/true"), network=True).draw(NAME, "<p>a", 40, 40)


def test_what_a_page_cannot_get_leaves_nothing_open(monkeypatch):
    """On a full disk, or without processes to start, the pipes to the browser are closed again."""

    def refused(*args, **options):
        raise OSError(28, "No space left on device")

    for module, name in ((browser_module.tempfile, "mkdtemp"), (browser_module.subprocess, "Popen")):
        with monkeypatch.context() as without:
            without.setattr(module, name, refused)
            before = os.listdir("/proc/self/fd")
            with pytest.raises(OSError, match="No space left"):
                Browser(Path("/bin/true")).draw(NAME, "<p>a", 40, 40)
            assert os.listdir("/proc/self/fd") == before
