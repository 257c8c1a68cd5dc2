"""The page's files: no inline code, every word in both languages, every control with a name."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import vitrine_gateway
from vitrine_orchestrator.ad_prompts.trades import TRADES

PAGE = Path(vitrine_gateway.__file__).parent / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
WORD = re.compile(r'^  (\w+): "(.*)",$', re.MULTILINE)


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


def words(language):
    """The page's words in a language."""
    return dict(WORD.findall((PAGE / f"words_{language}.js").read_text()))


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
    assert (await stranger.get("/page/page.js")).headers["content-type"].startswith("text/javascript")
    assert (await stranger.get("/page/index.html")).status_code == 404
    assert (await stranger.get("/page/..%2Fapp.py")).status_code == 404


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_module_imports_what_others_export(script):
    """No bundler checks this: each imported name is exported by the module that it is imported from."""
    text = script.read_text()
    assert len(text.splitlines()) <= 300
    for names, module in re.findall(
        r'^import (?:\{ ([^}]+) \}|\w+) from "/page/([^"]+)";', text, re.MULTILINE
    ):
        exported = (PAGE / module).read_text()
        for name in filter(None, names.split(", ")):
            assert re.search(rf"^export [\w ]*\b(?:function\*?|const|let|class) {name}\b", exported, re.M), (
                name
            )
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is imported and not used"
    assert text.count("import ") == len(re.findall(r'^import .* from "/page/', text, re.MULTILINE))


def test_every_control_has_a_label(elements):
    """Each input, select and text area has a label, so that a screen reader can name it."""
    labels = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    controls = {attributes["id"] for tag, attributes in elements if tag in ("input", "select", "textarea")}
    assert controls - labels == set()


def test_every_word_is_in_both_languages(elements):
    """English and Korean have the same keys with the same places to fill; the page uses no other."""
    english, korean = words("en"), words("ko")
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert _places(text) == _places(korean[key]), key
    used = {
        attributes[name]
        for _, attributes in elements
        for name in ("data-word", "data-label", "data-holder")
        if name in attributes
    }
    assert used <= english.keys()  # a script that asks for another one is told by the browser's tests


def _places(text):
    return set(re.findall(r"\{(\w+)[}|]", text))


def test_no_word_is_left_over():
    """Each word is named somewhere: in the page, in a script, or as one of a family such as kind_."""
    everything = (PAGE / "index.html").read_text() + "".join(
        path.read_text() for path in SCRIPTS if not path.name.startswith("words_")
    )
    states = {"queued", "running", "retrying", "succeeded", "failed", "canceled"}
    families = ("kind_", "pipe_")
    left = {key for key in words("en") if f'"{key}"' not in everything and not key.startswith(families)}
    assert left <= states


def test_every_kind_of_movement_has_a_word():
    """What the gateway writes into its ledger, but for captures, which move nothing."""
    package = PAGE.parent
    ledger = (package / "credits" / "ledger.py").read_text()
    kinds = set(re.findall(r'_add\([^)]*?, "(\w+)", ', ledger))
    for path in package.rglob("*.py"):
        kinds |= set(re.findall(r'kind(?:: str)? ?= ?"(grant|reward\w*)"', path.read_text()))
    assert {"hold", "refund", "capture", "grant", "reward"} <= kinds
    assert {f"kind_{kind}" for kind in kinds - {"capture"}} <= words("en").keys()


def test_the_trades_are_those_of_the_server():
    """The list to choose from has every trade that the prompt processor knows, with its Korean name."""
    rows = re.findall(r'^  \["([^"]+)", "[^"]+", "([^"]+)"\],$', (PAGE / "trades.js").read_text(), re.M)
    assert dict(rows) == {name: trade.korean[0] for name, trade in TRADES.items()}
