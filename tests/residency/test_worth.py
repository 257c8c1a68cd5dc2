"""Which models are evicted."""

from dataclasses import dataclass

import pytest
from vitrine_orchestrator.residency.worth import GIB, Ages, victims


@dataclass
class One:
    """A model."""

    bytes: int
    load_s: float = 1.0
    worth: float = 0.0


@pytest.mark.parametrize(
    ("sizes", "needed", "chosen"),
    [
        ([10, 20, 30], 10, [10]),
        ([10, 20, 30], 25, [10, 20]),
        ([10, 40, 30], 35, [40]),  # without the first, the second is enough
        ([10, 20, 30], 61, []),
        ([10, 20, 30], 60, [10, 20, 30]),
    ],
)
def test_the_least_worthy_that_are_enough_go(sizes, needed, chosen):
    """In the order of their worth; those that are not needed are spared; nobody if all are not enough."""
    candidates = [One(size, worth=rank) for rank, size in enumerate(sizes)]
    assert [one.bytes for one in victims(reversed(candidates), lambda one: one.worth, needed)] == chosen


def test_small_models_that_take_long_to_load_are_worth_more():
    """The worth is what a byte saves."""
    ages = Ages()
    usual = ages.worth(One(GIB, 2.0), 1)
    assert ages.worth(One(GIB, 4.0), 1) > usual
    assert ages.worth(One(2 * GIB, 2.0), 1) < usual
    assert ages.worth(One(GIB, 2.0), 2) > usual


def test_old_use_loses_its_worth():
    """After enough evictions, a model used once now is worth more than one used often long ago."""
    ages = Ages()
    once_hot = ages.worth(One(GIB), 10)
    for _ in range(10):
        ages.evicted(ages.worth(One(GIB), 1))
    assert ages.worth(One(GIB), 1) > once_hot
