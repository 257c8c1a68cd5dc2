"""CUDA graphs: captures a call's kernels once per set of shapes, and launches them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Outputs = TypeVar("Outputs")
Graph = Callable[..., Tensor | tuple[Tensor, ...]]

WARM_UP = 3  # calls before a capture, in which libraries choose kernels and allocate


def capture(call: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
    """Capture `call` on the current device; return a function that launches it, and its output tensors."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()
    return graph.replay, outputs


@dataclass(frozen=True)
class _Captured:
    inputs: tuple[Tensor, ...]  # fixed memory
    replay: Callable[[], object]
    outputs: Tensor | tuple[Tensor, ...]  # fixed memory


class CudaGraphs:
    """A graph with fixed memory per batch size. The next call overwrites the outputs of a call."""

    def __init__(self, graph: Graph, capture: Callable = capture) -> None:
        self._graph, self._capture = graph, capture
        self._captured: dict[tuple[torch.Size, ...], _Captured] = {}

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the graph on these inputs and return its outputs."""
        key = tuple(tensor.shape for tensor in inputs)
        if key not in self._captured:
            fixed = tuple(tensor.clone() for tensor in inputs)
            self._captured[key] = _Captured(fixed, *self._capture(lambda: self._graph(*fixed)))
        captured = self._captured[key]
        for into, tensor in zip(captured.inputs, inputs, strict=True):
            into.copy_(tensor)
        captured.replay()
        return captured.outputs
