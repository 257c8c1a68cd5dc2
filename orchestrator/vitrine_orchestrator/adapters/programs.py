"""The families of networks that the denoise model can run: one row each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.batching.metrics import Figure
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.drawing.metrics import FIGURES as PICTURE_FIGURES
from vitrine_orchestrator.fashn.metrics import FIGURES as FASHN_FIGURES
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import fashn, flux, idm_vton, z_image
from vitrine_orchestrator.try_on.metrics import FIGURES as TRY_ON_FIGURES


class OpenProgram(Protocol):
    """Opens a family's program from a version folder of `denoise`."""

    def __call__(
        self, folder: Path, manifest: Manifest, settings: Settings, provider: str, device_id: int
    ) -> Program:
        """`provider` is "cpu", "cuda" or "tensorrt"; Unavailable when the folder lacks a file."""


class HostedFamily(NamedTuple):
    """The row of one family: the package with its `open_program`, and its metrics.

    A package is imported when its family is opened: a process that serves one family needs no other's.
    """

    package: str
    figures: tuple[Figure, ...] = ()  # metrics that its program reports


PROGRAMS: dict[str, HostedFamily] = {
    idm_vton.FAMILY: HostedFamily("try_on", TRY_ON_FIGURES),
    fashn.FAMILY: HostedFamily("fashn", FASHN_FIGURES),
    z_image.FAMILY: HostedFamily("z_image", PICTURE_FIGURES),
    flux.FAMILY: HostedFamily("flux", PICTURE_FIGURES),
}


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> Program:
    """The program of the manifest's family; Unavailable when no row is of that family."""
    if manifest.family not in PROGRAMS:
        raise Unavailable(f"{folder}: family must be one of {sorted(PROGRAMS)}, got {manifest.family!r}")
    module = import_module(f"vitrine_orchestrator.{PROGRAMS[manifest.family].package}.open_program")
    opened: OpenProgram = module.open_program
    return opened(folder, manifest, settings, provider, device_id)
