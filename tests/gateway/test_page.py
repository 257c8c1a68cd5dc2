"""The page's files: no inline code, every word in both languages, every control with a name."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import vitrine_gateway

PAGE = Path(vitrine_gateway.__file__).parent / "page"


class Elements(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture
def elements():
    """The elements of the page."""
    return Elements((PAGE / "index.html").read_text()).found


async def test_the_page_and_its_files_are_served_under_a_strict_policy(gateway, elements):
    """Everything comes from the gateway itself, and nothing inline is allowed or there."""
    stranger = gateway.client()
    page = await stranger.get("/")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    for tag, attributes in elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert tag != "style"
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if address:
            assert (await stranger.get(address)).status_code == 200
    assert (await stranger.get("/page/words.js")).headers["content-type"].startswith("text/javascript")
    assert (await stranger.get("/page/..%2Fapp.py")).status_code == 404


def test_every_control_has_a_label(elements):
    """Each input and select has a label, so that a screen reader can name it."""
    labels = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    controls = {attributes["id"] for tag, attributes in elements if tag in ("input", "select")}
    assert controls - labels == {"language"}  # its label is around it


def test_every_word_is_in_both_languages(elements):
    """English and Korean have the same keys; the page and the script use no other."""
    text = (PAGE / "words.js").read_text()
    english, korean = (set(re.findall(r"^    (\w+):", part, re.MULTILINE)) for part in text.split("ko: {"))
    used = {attributes["data-word"] for _, attributes in elements if "data-word" in attributes}
    used |= set(re.findall(r'word\("(\w+)"\)', (PAGE / "page.js").read_text()))
    assert english == korean
    assert used <= english
