"""A cut-out network as a checkpoint: one ONNX file, and the row of the table by which it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

from vitrine_export.checkpoint.cut_out_networks import NAMES, CutOutNetwork, network_named, network_of_file
from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.checkpoint.digest import digest_of
from vitrine_export.checkpoint.onnx_source import weight_names
from vitrine_export.errors import BadCheckpoint

SUFFIX = ".onnx"


@dataclass(frozen=True)
class CutOutCheckpoint:
    """A file of a cut-out network. See AnyCheckpoint for the methods."""

    path: Path
    network: CutOutNetwork
    name: str  # of the released file; the row's name for another one

    @property
    def folder(self) -> Path:
        """See AnyCheckpoint."""
        return self.path.parent

    @property
    def family(self) -> str:
        """See AnyCheckpoint."""
        return FAMILY

    def file(self, stage: str) -> Path:
        """Return the ONNX file of the network's stage."""
        assert stage == NETWORK, stage
        return self.path

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the file under its row's name (another row reads it otherwise), then those of its weights."""
        yield f"{self.network.name}{SUFFIX}", self.path
        for name in weight_names(self.path):
            yield name, self.path.parent / name

    def digest(self) -> str:
        """See AnyCheckpoint."""
        return digest_of(self.files())

    def verify(self, names: Iterable[str]) -> None:
        """See AnyCheckpoint; adoption checks the file."""


def is_cut_out(path: Path) -> bool:
    """Return whether the path is a single ONNX file."""
    return path.is_file() and path.suffix == SUFFIX


def open_cut_out(path: Path, unet: Path | None = None, network: str | None = None) -> CutOutCheckpoint:
    """Open a file as the `network` of that name; without a name, as the released file that it is.

    Raises BadCheckpoint for a missing file, an unknown one without a name, and for a replaced UNet.
    """
    if unet is not None:
        raise BadCheckpoint(f"--unet replaces a UNet, and {path.name} has none: it is a cut-out network")
    ensure_present(path, path.name)
    ensure_real(path, path.name)
    with path.open("rb") as file:
        known = network_of_file(hashlib.file_digest(file, "md5").hexdigest())
    if network is not None:
        name = known[1] if known and known[0].name == network else network
        return CutOutCheckpoint(path, network_named(network), name)
    if known is None:
        raise BadCheckpoint(
            f"{path.name} is none of the known files: say which network it is, with "
            f"vitrine-export cut-out --network {'|'.join(NAMES)}"
        )
    return CutOutCheckpoint(path, *known)
