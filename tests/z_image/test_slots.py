"""Slots of adapters: shared by jobs, kept while used, replaced when not."""

from __future__ import annotations

import numpy as np
import pytest
from vitrine_orchestrator.loras.registry import Card, Lora
from vitrine_orchestrator.loras.slots import KEPT, SlotPool


def lora(number, rank=2):
    """An adapter whose numbers tell which it is."""
    card = Card(f"style-{number}", "family", "base", f"digest {number}", rank, (), "CC0-1.0")
    return Lora(card, np.full((rank, 3), number, np.float32), np.full((rank, 4), 10 * number, np.float32))


@pytest.fixture
def pool():
    return SlotPool(rank=4, inputs=3, outputs=4)


def test_a_slot_holds_the_weighted_adapters_side_by_side(pool):
    """Ranks are concatenated, the weight is folded into `up`, the rest of the slot is zero."""
    place = pool.hold(((lora(1), 0.5), (lora(2, rank=1), 2.0)))
    assert pool.down[place, :, 0].tolist() == [1, 1, 2, 0]
    assert pool.up[place, :, 0].tolist() == [5, 5, 40, 0]
    assert not pool.down[0].any()
    assert pool.hold(()) == 0


def test_jobs_with_the_same_adapters_share_a_slot(pool):
    """Equal adapters of equal weight take one slot; another weight takes another."""
    first = pool.hold(((lora(1), 1.0),))
    assert pool.hold(((lora(1), 1.0),)) == first
    assert pool.hold(((lora(1), 0.9),)) != first
    assert pool.changes == 2


def test_only_slots_without_jobs_are_replaced(pool):
    """The least recently used free slot is replaced; with none free the pool grows."""
    places = [pool.hold(((lora(number), 1.0),)) for number in range(KEPT)]
    assert pool.hold(((lora(90), 1.0),)) == max(places) + 1
    pool.release(((lora(1), 1.0),))
    pool.release(((lora(3), 1.0),))
    assert pool.hold(((lora(1), 1.0),)) == places[1]  # used again: 3 is now the only free one
    assert pool.hold(((lora(91), 1.0),)) == places[3]
    assert pool.down[places[3], 0, 0] == 91
