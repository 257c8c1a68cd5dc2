"""How `make test` spreads the tests over processes: which stay together, and which start first.

Without pytest-xdist's workers (`pytest path::test`) nothing here changes anything.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings
from vitrine_orchestrator.embedded.server import EmbeddedTriton

settings.load_profile("ci")  # the same examples in each run; --hypothesis-profile=default draws others
ROOT = Path(__file__).parent
SHARED = {"serving": "triton", "export": "denoise_onnx", "z_image": "repository", "clip": "repository"}
"""By folder, a fixture that takes long to make: the tests that use it run in one process."""

FIRST = (
    "export with denoise_onnx",
    "measure/load/test_soak.py",
    "serving with triton",
    "z_image with repository",
    "clip with repository",
    "serving/test_hard_surroundings.py",
    "serving/test_trained.py",
    "serving/test_supervisor_swaps.py",
    "serving/test_versions.py",
    "measure/test_engine_speed.py",
    "serving/test_residency.py",
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
    shared = {item.path for item in items if shared_fixture(item) in item.fixturenames}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item, shared)))
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(group_of(item, shared), len(ranks)))


def pytest_collection_finish(session):
    """Spare what importing has made from the search for garbage: half a second each time."""
    gc.collect()
    gc.freeze()


def shared_fixture(item):
    """The shared fixture of the test's folder."""
    return SHARED.get(item.path.relative_to(ROOT).parts[0])


def group_of(item, shared):
    """The folder's shared fixture, if a test of the file uses it (`shared`), or else the file.

    A file's tests stay together, so that its own fixtures are made once.
    """
    path = item.path.relative_to(ROOT)
    return f"{path.parts[0]} with {shared_fixture(item)}" if item.path in shared else path.as_posix()


@pytest.fixture(scope="session", autouse=True)
def quick_ends():
    """Kill a test's own server a moment after it was told to end; Triton takes two seconds or three.

    Tests of `vitrine serve` see a whole end.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedTriton.stop, "__defaults__", (0.3,))
        yield
