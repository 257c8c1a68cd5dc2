"""The table by which `make test` orders the tests names what exists."""

import importlib.util

import pytest


@pytest.fixture
def spread(root):
    """The module that spreads the tests over processes."""
    spec = importlib.util.spec_from_file_location("spread", root / "tests" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_groups_that_start_first_exist(spread, root):
    """Each is a file, or a folder with its shared fixture."""
    shared = {f"{folder} with {fixture}" for folder, fixture in spread.SHARED.items()}
    files = [name for name in spread.FIRST if name not in shared]
    assert shared <= set(spread.FIRST)
    assert [name for name in files if not (root / "tests" / name).is_file()] == []


def test_make_test_keeps_the_groups_and_their_order(root):
    """The command keeps groups together, and starts them in the order of the collection."""
    (command,) = [line for line in (root / "Makefile").read_text().splitlines() if "--numprocesses" in line]
    assert "--dist loadgroup --no-loadscope-reorder" in command


def test_a_process_of_tests_gets_whole_groups(request):
    """pytest-xdist has put the group's name behind the test's, by which it keeps a group in one process."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process has all tests: run make test")
    assert request.node.nodeid.endswith("@docs/test_make_test.py")
