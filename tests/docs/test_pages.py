"""The documents agree with the code in names, paths, links and examples."""

import re
import subprocess
import sys

import pytest
import vitrine
from PIL import Image
from vitrine import FakeTransport, Vitrine
from vitrine.command import find_commands
from vitrine_export.command import COMMANDS

PACKAGES = (
    "client/vitrine",
    "orchestrator/vitrine_orchestrator",
    "export/vitrine_export",
    "world/vitrine_world",
    "measure/vitrine_measure",
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")


def test_the_reference_is_what_the_code_gives(make_reference, root):
    """The reference is up to date; if not, run `python docs/make_reference.py`."""
    assert (root / "docs" / "reference.md").read_text() == make_reference.reference()


def test_every_error_class_is_in_the_reference(root):
    """The reference explains every error that a caller or an operator can meet."""
    page = (root / "docs" / "reference.md").read_text()
    kinds = _error_classes(root)
    assert {"Busy", "BadSettings", "ExportFailed"} <= kinds
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page] == []


def _error_classes(root):
    """Names of VitrineError and all classes below it, in the sources of every package."""
    sources = [path.read_text() for package in PACKAGES for path in (root / package).rglob("*.py")]
    above = dict(re.findall(r"^class (\w+)\((\w+)\):", "\n".join(sources), re.MULTILINE))
    found = {"VitrineError"}
    while more := {name for name, base in above.items() if base in found} - found:
        found |= more
    return found


def test_a_pages_links_lead_somewhere(page):
    """Linked files and their headings exist."""
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if heading:
            assert heading in _anchors(target), link


def _anchors(page):
    """The anchors of a Markdown page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_paths_that_a_page_names_exist(page, root):
    """Paths exist from the root, a package or a checkpoint; commands make those in build/."""
    doll = root / "checkpoints" / "paper-doll"
    packages = (*PACKAGES, "world/vitrine_world/shop")
    places = [root, root / "docs", *(root / package for package in packages), doll, *doll.iterdir()]
    for span in SPAN.findall(page.read_text()):
        if span in MADE or span.startswith("build/"):
            continue
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.py|\.sh|\.yaml|\.json)", span):
            assert any((place / span).exists() for place in places), span


MADE = {
    "model.py",
    "requests.json",
    "vitrine.json",
    "manifest.json",
}  # in many folders, or written by callers


def test_the_metrics_that_a_page_names_exist(page, metric_names):
    """Every name that looks like one of our metrics is one."""
    named = set(re.findall(r"\bvitrine_[a-z_]+", page.read_text()))
    assert named - metric_names <= {
        "vitrine_orchestrator",
        "vitrine_export",
        "vitrine_world",
        "vitrine_measure",
        "vitrine_gateway",
    }


def test_the_commands_that_a_page_names_exist(page, root):
    """Every `make X`, `vitrine X` and `vitrine-export X` of a page exists."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for pattern, known in (
        (r"`make ([a-z-]+)", targets),
        (r"`vitrine ([a-z-]+)", set(find_commands())),
        (r"vitrine-export ([a-z-]+)", set(COMMANDS)),
    ):
        assert set(re.findall(pattern, text)) <= known


def test_a_python_block_compiles(python_block):
    """Each Python block compiles; those of calling.md also run, in tests/serving."""
    compile(python_block, "block", "exec")


def test_a_python_block_defines_its_names(python_block):
    """A block runs as it is copied: it imports what it uses, and uses no name of another block."""
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F401,F821", "-"]
    done = subprocess.run(ruff, input=python_block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_readmes_example_makes_a_picture(root, tmp_path, monkeypatch):
    """The README's example makes a picture with the fake as server."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", (root / "README.md").read_text(), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    for name in ("me.png", "coat.png"):
        Image.new("RGB", (48, 64)).save(name)
    monkeypatch.setattr(vitrine, "Vitrine", lambda url: Vitrine(url, transport=FakeTransport()))
    exec(compile(example, "README.md", "exec"), {})
    with Image.open("me-in-coat.png") as made:
        assert made.size == (48, 64)


@pytest.mark.parametrize("word", ["TODO", "TBD", "FIXME"])
def test_nothing_is_left_open(page, word):
    """No page has a note of unfinished work."""
    assert word not in page.read_text()
