"""The source of one ONNX file: a torch module, its tensors by name, and samples to trace and check it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from vitrine_orchestrator.stages import NETWORK_FILE, Dim, Stage

Size = Literal["small", "least"] | tuple[int, int]
"""The field of the stage table's sizes for a sample; for denoise also latent (height, width)."""

Axis = int | str
"""A fixed length, or the name of an axis that varies."""

BATCH = "batch"  # the name of axis 0

TRACED: tuple[int, Size] = (2, "small")
CHECKED: tuple[tuple[int, Size], ...] = (TRACED, (1, "least"))
"""Rows and size of the samples that a file is checked on; the first one is also traced."""


@dataclass(frozen=True)
class Network:
    """`module(*inputs)` returns `outputs`; `inputs` are (name, dims), batch first, str if it varies."""

    file: str  # path in the model repository
    module: nn.Module
    inputs: tuple[tuple[str, tuple[Axis, ...]], ...]
    outputs: tuple[str, ...]
    tolerance: float
    sample: Callable[[int, Size], tuple[Tensor, ...]]

    @property
    def axes(self) -> tuple[dict[int, str], ...]:
        """Return the names of the varying axes, by input."""
        return tuple(
            {axis: dim for axis, dim in enumerate(dims) if isinstance(dim, str)} for _, dims in self.inputs
        )


class Inside(nn.Module):
    """Computes in `dtype`: casts the inputs that `cast` marks, and every output to `out_dtype`."""

    def __init__(
        self,
        module: nn.Module,
        dtype: torch.dtype,
        cast: Sequence[bool],
        out_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.module, self.dtype, self.cast, self.out_dtype = module, dtype, tuple(cast), out_dtype

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs: tensors in the order of the wrapped module's parameters."""
        inside = [t.to(self.dtype) if cast else t for t, cast in zip(inputs, self.cast, strict=True)]
        made = self.module(*inside)
        outputs = made if isinstance(made, tuple) else (made,)
        return tuple(t.to(self.out_dtype) if t.is_floating_point() else t for t in outputs)


def stage_network(
    row: Stage, module: nn.Module, dtype: torch.dtype, fixed: dict[str, int] | None = None, words: int = 0
) -> Network:
    """Return the network of a stage's row; `fixed` sizes do not vary, `words` is the vocabulary's size."""
    sizes = fixed or {}

    def sample(rows: int, size: Size) -> tuple[Tensor, ...]:
        draw = torch.Generator().manual_seed(rows)
        return tuple(
            _random(tensor.dtype, (rows, *(_length(d, sizes, size) for d in tensor.dims)), words, draw)
            for tensor in row.inputs
        )

    return Network(
        file=f"{row.name}/1/{NETWORK_FILE}",
        module=Inside(module, dtype, [tensor.dtype == "FP32" for tensor in row.inputs]).eval(),
        inputs=tuple((t.name, (BATCH, *(_fixed(d, sizes) for d in t.dims))) for t in row.inputs),
        outputs=tuple(tensor.name for tensor in row.outputs),
        tolerance=row.tolerance,
        sample=sample,
    )


def _fixed(dim: Dim, sizes: Mapping[str, int]) -> Axis:
    return dim if isinstance(dim, int) else sizes.get(dim.name, dim.name)


def _length(dim: Dim, sizes: Mapping[str, int], size: Size) -> int:
    return dim if isinstance(dim, int) else sizes.get(dim.name, getattr(dim, str(size)))


def _random(dtype: str, shape: tuple[int, ...], words: int, draw: torch.Generator) -> Tensor:
    """Draw normal numbers, token ids or bytes."""
    if dtype == "FP32":
        return torch.randn(shape, generator=draw)
    if dtype == "INT64":
        return torch.randint(0, words, shape, generator=draw)
    return torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
