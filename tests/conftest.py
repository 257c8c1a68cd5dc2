"""How `make test` spreads the tests over processes: which stay together, and which start first.

Without pytest-xdist's workers (`pytest path::test`) nothing here changes anything.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SHARED = ("triton", "denoise_onnx")
"""Fixtures of a session that take long: the tests that use one run in one process, so it is made once."""

FIRST = (
    "triton",
    "measure/load/test_soak.py",
    "denoise_onnx",
)
"""The groups that take longest, the longest first: a long one that starts last would run alone."""


def pytest_configure(config):
    """Give each of several processes one thread for torch and NumPy, and so their children."""
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(config, items):
    """Keep tests that share a fixture together, and the tests of each other file."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(group_of(item), len(ranks)))


def group_of(item):
    """The shared fixture that a test uses, or else its file."""
    shared = [name for name in SHARED if name in item.fixturenames]
    return shared[0] if shared else item.path.relative_to(ROOT).as_posix()
