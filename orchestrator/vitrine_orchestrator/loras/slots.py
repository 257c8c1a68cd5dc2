"""The slots of a graph: adapters of the running jobs as two tensors, from which each row takes one.

Slot 0 holds zeros, for rows without an adapter. See docs/decisions.md, "LoRA by row".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.loras.registry import Lora

KEPT = 8  # slots that stay filled when no job uses them

Mix = tuple[tuple[Lora, float], ...]
"""The adapters of one job with their weights; () for none."""


@dataclass
class Slot:
    """One filled slot."""

    place: int
    jobs: int = 0  # running jobs that use it; it is not replaced before there are none


class SlotPool:
    """Assigns slots; only the thread of the batcher uses it.

    down: (slots, rank, inputs); up: (slots, rank, outputs), float32. `changes` counts the writes, so that an
    engine copies the tensors to its device only after one.
    """

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        self.down = np.zeros((1, rank, inputs), np.float32)
        self.up = np.zeros((1, rank, outputs), np.float32)
        self.changes = 0
        self._slots: dict[tuple[tuple[str, float], ...], Slot] = {}  # the least recently used first

    @property
    def rank(self) -> int:
        """The largest sum of ranks that a slot holds."""
        return self.down.shape[1]

    def hold(self, mix: Mix) -> int:
        """The slot that holds these adapters, for one more job; 0 for none."""
        if not mix:
            return 0
        key = _key(mix)
        slot = self._slots.pop(key, None) or self._filled(mix)
        self._slots[key] = slot
        slot.jobs += 1
        return slot.place

    def release(self, mix: Mix) -> None:
        """The end of one job that held these adapters."""
        if mix:
            self._slots[_key(mix)].jobs -= 1

    def _filled(self, mix: Mix) -> Slot:
        place = self._free_place()
        self.down[place], self.up[place] = 0, 0
        first = 0
        for lora, weight in mix:
            lines = slice(first, first + lora.card.rank)
            self.down[place, lines] = lora.down
            self.up[place, lines] = np.float32(weight) * lora.up
            first = lines.stop
        self.changes += 1
        return Slot(place)

    def _free_place(self) -> int:
        """The place of the least recently used slot without jobs, when KEPT are filled, or a new one."""
        if len(self._slots) >= KEPT:
            for key, slot in self._slots.items():
                if not slot.jobs:
                    del self._slots[key]
                    return slot.place
        self.down = np.concatenate([self.down, np.zeros_like(self.down[:1])])
        self.up = np.concatenate([self.up, np.zeros_like(self.up[:1])])
        return len(self.down) - 1


def _key(mix: Mix) -> tuple[tuple[str, float], ...]:
    return tuple((lora.card.digest, weight) for lora, weight in mix)
