"""Slots of fixed rank: the adapters of rows as inputs of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vitrine_export.errors import BadCheckpoint
from vitrine_export.lora.file import Adapter
from vitrine_export.nets.dit.lora_rows import Sites


@dataclass(frozen=True)
class Slots:
    """The graph's `lora_down` (slots, rank, inputs) and `lora_up` (slots, rank, outputs); slot 0 is zero."""

    down: Tensor
    up: Tensor

    @staticmethod
    def of(sites: Sites, rank: int, rows: Sequence[Sequence[tuple[Adapter, float]]]) -> Slots:
        """Return slot 0 of zeros, then one slot per list of adapters with strengths."""
        slots = [slot_of(sites, rank, adapters) for adapters in ((), *rows)]
        return Slots(torch.stack([down for down, _ in slots]), torch.stack([up for _, up in slots]))


def slot_of(sites: Sites, rank: int, adapters: Sequence[tuple[Adapter, float]]) -> tuple[Tensor, Tensor]:
    """Return one slot: down (rank, inputs), up (rank, outputs); adapters are concatenated along the rank.

    Raises BadCheckpoint if the sum of their ranks exceeds the slot's rank.
    """
    needed = sum(adapter.rank for adapter, _ in adapters)
    if needed > rank:
        raise BadCheckpoint(f"a slot has rank {rank}, the adapters of a row need {needed}")
    down, up = torch.zeros(rank, sites.inputs), torch.zeros(rank, sites.outputs)
    first = 0
    for adapter, strength in adapters:
        for name, pair in adapter.pairs.items():
            linear, lines = sites.linears[name], slice(first, first + len(pair.down))
            down[lines, linear.inputs] = pair.down
            up[lines, linear.outputs] = strength * pair.up.T
        first += adapter.rank
    return down, up
