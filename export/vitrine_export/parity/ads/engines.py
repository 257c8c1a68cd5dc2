"""The two engines of a network: torch, and onnxruntime with the exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import AdCheckpoint, open_ads
from vitrine_export.exporting.ad_networks import ad_networks
from vitrine_export.exporting.network import Network
from vitrine_export.exporting.onnx_file import session, write

Call = Callable[..., Tensor]
"""A network: maps its inputs, in order, to its one output."""


@dataclass(frozen=True)
class Model:
    """A checkpoint and its networks: by engine and name, a callable."""

    checkpoint: AdCheckpoint
    engines: dict[str, dict[str, Call]]
    lora: tuple[Tensor, Tensor]  # one slot of zeros, that is no adapter
    guided: bool  # whether the transformer has a guidance input


@contextmanager
def opened(folder: Path) -> Iterator[Model]:
    """Load and export the networks of a folder. Raises BadCheckpoint and ExportFailed."""
    checkpoint = open_ads(folder)
    networks = dict(ad_networks(checkpoint))
    shapes = dict(networks["transformer"].inputs)
    lora = tuple(torch.zeros(1, LORA_RANK, int(shapes[name][-1])) for name in ("lora_down", "lora_up"))
    with TemporaryDirectory(prefix="vitrine-parity-") as place:
        engines = {
            "torch": {name: _in_torch(network) for name, network in networks.items()},
            "onnx": {name: _in_onnx(name, network, Path(place)) for name, network in networks.items()},
        }
        yield Model(checkpoint, engines, (lora[0], lora[1]), "guidance" in shapes)


def _in_torch(network: Network) -> Call:
    @torch.no_grad()
    def call(*inputs: Tensor) -> Tensor:
        return network.module(*inputs)[0]

    return call


def _in_onnx(name: str, network: Network, place: Path) -> Call:
    write(name, network, place)
    opened: Any = session(place / network.file)
    names = [name for name, _ in network.inputs]

    def call(*inputs: Tensor) -> Tensor:
        arrays = {name: tensor.contiguous().numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(opened.run(list(network.outputs), arrays)[0])

    return call
