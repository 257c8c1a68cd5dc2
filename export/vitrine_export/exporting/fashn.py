"""FASHN VTON's graphs as networks: names, axes and samples for the modules of nets/fashn/graphs.py."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint.fashn import FashnCheckpoint
from vitrine_export.exporting.network import BATCH, Inside, Network, Size
from vitrine_export.nets.fashn import FashnNet
from vitrine_export.nets.fashn.graphs import FixedTokensGraph, ModulationsGraph, StepGraph

FOLDER = "denoise/1"
PREFIX = "fashn_"
"""Of the files' names: `denoise` holds the graphs of other families too."""
TOLERANCE = 1e-3
PICTURES = ("person", "person_pose", "garment", "garment_pose")
EXACT = frozenset({"times", "category"})
"""Inputs that stay unchanged in a half-precision graph, because of sines of 1000 times the time."""


def stage_networks(row: Stage, checkpoint: FashnCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the graphs of a checkpoint, which share one copy of the network."""
    return graphs_of(checkpoint.net(dtype), dtype)


def graphs_of(net: FashnNet, dtype: torch.dtype = torch.float32) -> list[Network]:
    """Return the graphs of a net with weights of `dtype`; tensors are float32, categories int64."""
    samples = _Samples(net)
    return [
        _network(
            "fixed_tokens", FixedTokensGraph(net), samples.fixed, ("image_fixed", "garment_tokens"), dtype
        ),
        _network("modulations", ModulationsGraph(net), samples.times, ("mods",), dtype),
        _network("step", StepGraph(net), samples.step, ("velocity",), dtype),
    ]


class _Samples:
    """Sample inputs of each graph by name; those of a step include the outputs of the other two graphs."""

    def __init__(self, net: FashnNet) -> None:
        self.net = net

    def fixed(self, rows: int) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(rows)
        config = self.net.config
        return {
            name: torch.rand(rows, channels, config.height, config.width, generator=draw) * 2 - 1
            for name, channels in zip(PICTURES, (3, 1, 3, 1), strict=True)
        }

    def times(self, rows: int) -> dict[str, Tensor]:
        categories = torch.arange(rows) % (self.net.config.categories + 1)
        return {"times": torch.linspace(0, 0.9, rows), "category": categories}

    @torch.no_grad()
    def step(self, rows: int) -> dict[str, Tensor]:
        weight = self.net.x_embedder.proj.weight
        fixed = self.net.fixed_tokens(*(one.to(weight) for one in self.fixed(rows).values()))
        config, draw = self.net.config, torch.Generator().manual_seed(rows + 1)
        return {
            "state": torch.randn(rows, 3, config.height, config.width, generator=draw),
            "image_fixed": fixed[0].float(),
            "garment_tokens": fixed[1].float(),
            "mods": self.net.modulations(*self.times(rows).values()).float(),
        }


def _network(
    name: str,
    module: nn.Module,
    sample: Callable[[int], dict[str, Tensor]],
    outputs: tuple[str, ...],
    dtype: torch.dtype,
) -> Network:
    """Return a graph as a network; the number of rows varies, the canvas does not."""
    shown = sample(2)

    def rows_of(rows: int, _: Size) -> tuple[Tensor, ...]:
        return tuple(sample(rows).values())

    return Network(
        file=f"{FOLDER}/{PREFIX}{name}.onnx",
        module=Inside(module, dtype, [key not in EXACT for key in shown]).eval(),
        inputs=tuple((key, (BATCH, *tensor.shape[1:])) for key, tensor in shown.items()),
        outputs=outputs,
        tolerance=TOLERANCE,
        sample=rows_of,
    )
