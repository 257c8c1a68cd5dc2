"""A residency on a clock that only the tests move."""

import sys
from pathlib import Path

import pytest
from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Limits, Resident

sys.path.insert(0, str(Path(__file__).parent))  # the modules that the tests share


class Clock:
    """Seconds that the tests add."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """The clock of `books`."""
    return Clock()


@pytest.fixture
def books(clock):
    """Opens a residency of models given as name=bytes."""

    def opened(budget, limits=None, **sizes):
        given = {"wait_s": 60.0, "keep_s": 0.0, "patience_s": 1.0, "patience_loads": 0.0} | (limits or {})
        models = [Resident(name, size) for name, size in sizes.items()]
        return Residency(models, Limits(budget, **given), clock)

    return opened
