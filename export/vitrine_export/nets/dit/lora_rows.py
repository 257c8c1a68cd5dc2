"""LoRA by row: every row of a batch selects a slot, and slots are inputs of the graph.

All linears of a net share two tensors: `down` (slots, rank, sum of their inputs) and `up` (slots, rank, sum
of their outputs). A slot of zeros changes nothing. `up` includes strength and alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

NO_PLACE: Final = slice(0, 0)


@dataclass(frozen=True)
class RowLora:
    """The adapters of a batch's rows: down (B, rank, inputs), up (B, rank, outputs).

    Without the axis of rows, one adapter is that of all rows.
    """

    down: Tensor
    up: Tensor


class SlottedLinear(nn.Linear):
    """A linear that adds the low-rank term of each row, if rows have terms."""

    inputs: slice = NO_PLACE
    outputs: slice = NO_PLACE

    def forward(self, tokens: Tensor, lora: RowLora | None = None) -> Tensor:  # type: ignore[override]
        """Tokens (B, N, in) → (B, N, out)."""
        plain = super().forward(tokens)
        if lora is None:
            return plain
        narrow = tokens @ lora.down[..., self.inputs].transpose(-2, -1)
        return plain + narrow @ lora.up[..., self.outputs]


@dataclass(frozen=True)
class Sites:
    """The slotted linears of a net by name, and the widths of the tensors `down` and `up`."""

    linears: dict[str, SlottedLinear]
    inputs: int
    outputs: int


def place(net: nn.Module) -> Sites:
    """Assign every slotted linear of a net its slice of the tensors, in the order of the net's modules."""
    found = {name: part for name, part in net.named_modules() if isinstance(part, SlottedLinear)}
    inputs = outputs = 0
    for linear in found.values():
        linear.inputs = slice(inputs, inputs + linear.in_features)
        linear.outputs = slice(outputs, outputs + linear.out_features)
        inputs, outputs = linear.inputs.stop, linear.outputs.stop
    return Sites(found, inputs, outputs)


def of_rows(down: Tensor, up: Tensor, slots: Tensor) -> RowLora:
    """Select each row's adapter by its slot, (B,) int64."""
    return RowLora(torch.index_select(down, 0, slots), torch.index_select(up, 0, slots))
