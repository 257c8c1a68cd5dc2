"""The page docs/cache.md agrees with the code and the tests."""

import re

import pytest
from vitrine_orchestrator.cache.invalidation_feed import KEPT_S, LOOK_S
from vitrine_orchestrator.cache.tier import COUNTERS

FAULTS = 30


@pytest.fixture
def cache_page(root):
    """The page's text."""
    return (root / "docs" / "cache.md").read_text()


def test_every_fault_has_its_tests(cache_page, root):
    """Each row of the fault table names tests that exist."""
    defined = set()
    for path in (root / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))
    rows = dict(re.findall(r"^\| (\d+) \|(.*)$", cache_page, re.MULTILINE))
    assert [int(number) for number in rows] == list(range(1, FAULTS + 1))
    for number, row in rows.items():
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"row {number} names no test"
        assert set(named) <= defined, f"row {number}"


def test_every_event_is_explained(cache_page):
    """The page has every counter with the meaning that the code gives it."""
    for name, meaning in COUNTERS.items():
        assert f"| `{name}` | {meaning} |" in cache_page


def test_the_times_are_those_of_the_code(cache_page):
    """The page has the code's times: how soon other hosts follow, how long the store keeps invalidations."""
    assert f"follow within {LOOK_S:g} s" in cache_page
    assert f"kept for {KEPT_S / 86400:g} days" in cache_page


def test_the_controls_are_as_many_as_the_page_says(cache_page, root):
    """The page gives the number of mutants."""
    mutants = (root / "tests" / "orchestrator" / "cache" / "cache_mutants.py").read_text()
    words = {15: "fifteen", 16: "sixteen", 17: "seventeen"}
    assert f"{words[len(re.findall(r'^def ', mutants, re.MULTILINE))]} of them" in cache_page
