"""How `make test` spreads the tests over processes: which stay together, and which start first.

Without pytest-xdist's workers (`pytest path::test`) nothing here changes anything.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SHARED = {"serving": "triton", "export": "denoise_onnx", "z_image": "repository", "clip": "repository"}
"""By folder, a fixture that takes long to make: the tests that use it run in one process."""

FIRST = (
    "measure/load/test_soak.py",
    "serving with triton",
    "z_image with repository",
    "export with denoise_onnx",
    "clip with repository",
    "serving/test_hard_surroundings.py",
    "serving/test_trained.py",
    "serving/test_supervisor_swaps.py",
    "serving/test_versions.py",
    "measure/test_engine_speed.py",
    "serving/test_residency.py",
    "serving/test_supervisor.py",
    "serving/test_cache.py",
    "orchestrator/cache/test_soak.py",
    "orchestrator/cache/test_model.py",
    "export/ads/test_parity_ads.py",
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
    """The folder's shared fixture, if the test uses it, or else the test's file."""
    path = item.path.relative_to(ROOT)
    fixture = SHARED.get(path.parts[0])
    return f"{path.parts[0]} with {fixture}" if fixture in item.fixturenames else path.as_posix()
