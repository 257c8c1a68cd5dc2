"""The arrivals of a load, the outcomes that are kept, and what counts as a leak."""

from collections import Counter

import numpy as np
import pytest
from vitrine.errors import Busy
from vitrine_measure.load.arrivals import Zipf, poisson
from vitrine_measure.load.driver import DONE, Outcome, closed, full_rate, offer, rate_of, seconds_of, words
from vitrine_measure.load.photographs import photographs
from vitrine_measure.load.soak import Soaked
from vitrine_measure.load.watch import Reading
from vitrine_measure.load.world import png
from vitrine_measure.service.report import Figure

HELD = Reading(memory_bytes=1_000_000_000, threads=100, files=200, shared_blocks=12, requests=0)


def test_arrivals_are_independent_and_have_the_requested_rate():
    """Poisson arrivals match the rate within four deviations, and their gaps vary as much as their mean."""
    times = poisson(10, 400, np.random.default_rng(0))
    assert abs(len(times) - 4000) < 4 * 4000**0.5
    assert times == sorted(times)
    assert times[-1] < 400
    gaps = np.diff(times)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_the_first_of_a_zipf_is_the_most_frequent():
    """Item k is drawn about 1 / (k + 1) as often as the first."""
    draw = Zipf(8, 1.0, np.random.default_rng(0))
    counts = np.bincount([draw() for _ in range(4000)], minlength=8)
    assert counts[0] / counts[3] == pytest.approx(4, rel=0.25)


async def test_an_open_load_keeps_every_outcome_in_order():
    """A refused request is an outcome of its own; nothing is sent twice or left out."""
    sent = []

    async def send(index: int) -> None:
        sent.append(index)
        if index % 3 == 0:
            raise Busy("try_on is busy")

    outcomes = await offer([0.0] * 9, send)
    assert sorted(sent) == list(range(9))
    assert [one.word == DONE for one in outcomes] == [index % 3 != 0 for index in range(9)]
    assert words(outcomes) == {DONE: 6, Busy("").word: 3}
    assert len(seconds_of(outcomes)) == 6


async def test_a_closed_load_sends_the_next_when_one_is_answered():
    """The load never has more requests in flight than given, and sends the given total."""
    running, most = 0, 0

    async def send(index: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await offer([0.0], _nothing)
        running -= 1

    outcomes = await closed(10, 3, send)
    assert most == 3
    assert words(outcomes) == {DONE: 10}
    assert rate_of(outcomes) > 0


def test_the_full_rate_leaves_out_beginning_and_end():
    """Two concurrent requests of one second give two answers a second, whatever happens at the ends."""
    due = [0.0, 0.0, *(0.5 * n for n in range(1, 9))]
    ends = [0.5 * n for n in range(1, 10)] + [9.0]  # the last one dawdles, alone
    outcomes = [Outcome(at, end, DONE) for at, end in zip(due, ends, strict=True)]
    assert full_rate(outcomes, 2) == pytest.approx(2.0)
    assert rate_of(outcomes) == pytest.approx(10 / 9)
    assert np.isnan(full_rate(outcomes[:2], 2))


async def _nothing(index: int) -> None:
    pass


async def test_a_fault_of_the_driver_is_not_an_outcome():
    """Errors that callers can get are counted; any other error ends the load."""

    async def send(index: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await offer([0.0], send)


@pytest.mark.parametrize(
    "change",
    [
        {"memory_bytes": 1_100_000_000},
        {"threads": 140},
        {"files": 260},
        {"shared_blocks": 20},
        {"requests": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_grew_is_a_fault(change):
    """Memory, threads, files, shared blocks and requests that remain are each reported in a sentence."""
    after = Reading(**{**vars(HELD), **change})
    assert not Soaked(HELD, HELD, Counter(), {DONE: 16}).faults()
    assert len(Soaked(HELD, after, Counter(), {DONE: 16}).faults()) == 1


def test_a_lost_request_afterwards_is_a_fault():
    """A refusal after the load shows a leaked slot, and is a fault."""
    assert len(Soaked(HELD, HELD, Counter(), {DONE: 15, "busy": 1}).faults()) == 1


def test_a_death_and_a_failed_operation_are_faults():
    """Every sentence of the supervisor or the operator is a fault, since the test kills nothing."""
    told = ["a process of try_on died: loading the model again"]
    soaked = Soaked(HELD, HELD, Counter(), {DONE: 16}, supervised=told, failed=["publish: no"])
    assert soaked.faults() == ["operator: publish: no", f"supervisor: {told[0]}"]


def test_photographs_are_as_large_as_a_telephone_s():
    """Photographs have 4 to 12 MB each, as JPEG and PNG."""
    made = photographs(png(np.full((256, 192, 3), 120, np.uint8)))
    assert all(4e6 <= len(one) <= 12e6 for one in made), [len(one) for one in made]
    assert {one[:4] for one in made} == {b"\xff\xd8\xff\xe0", b"\x89PNG"}


def test_a_figure_is_held_to_its_bound():
    """A figure has an upper bound, a lower bound or no verdict."""
    assert Figure("alone", "ratio", 1.2, "×", at_most=1.15).met is False
    assert Figure("together", "ratio", 4.6, "×", at_least=4).met is True
    assert Figure("alone", "time", 255, "ms").met is None
