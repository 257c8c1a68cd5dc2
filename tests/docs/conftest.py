"""Fixtures of the tests of the documents: the pages, and the code blocks in them."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pytest_generate_tests(metafunc):
    """Run a test once for each page, or for each Python block, that its arguments name."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", pages, ids=lambda page: page.name)
    if "python_block" in metafunc.fixturenames:
        found = [(page, block) for page in pages for block in blocks(page, "python")]
        names = [f"{page.name}-{number}" for number, (page, _) in enumerate(found)]
        metafunc.parametrize("python_block", [block for _, block in found], ids=names)


def blocks(page, language):
    """The code blocks of a page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def root():
    """The folder of the clone."""
    return ROOT


@pytest.fixture(scope="session")
def make_reference():
    """The module that writes docs/reference.md."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def metric_names():
    """The names of all metrics of ours."""
    from vitrine_orchestrator.adapters.metrics import METRIC_FAMILIES
    from vitrine_orchestrator.adapters.programs import PROGRAMS
    from vitrine_orchestrator.batching.metrics import FIGURES
    from vitrine_orchestrator.residency.figures import FIGURES as MEMORY

    figures = [figure for row in PROGRAMS.values() for figure in row.figures]
    return {one.name for one in (*METRIC_FAMILIES, *FIGURES, *MEMORY, *figures)}
