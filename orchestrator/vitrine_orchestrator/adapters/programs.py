"""The families of networks that the denoise model can run: one row each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from vitrine.errors import Unavailable

from vitrine_orchestrator.batching.metrics import Figure
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.drawing.metrics import FIGURES as PICTURE_FIGURES
from vitrine_orchestrator.fashn import facts as fashn
from vitrine_orchestrator.fashn.metrics import FIGURES as FASHN_FIGURES
from vitrine_orchestrator.fashn.open_program import open_program as open_fashn
from vitrine_orchestrator.flux import facts as flux
from vitrine_orchestrator.flux.open_program import open_program as open_flux
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.try_on import facts as try_on
from vitrine_orchestrator.try_on.metrics import FIGURES as TRY_ON_FIGURES
from vitrine_orchestrator.try_on.open_program import open_program as open_try_on
from vitrine_orchestrator.z_image import facts as z_image
from vitrine_orchestrator.z_image.open_program import open_program as open_z_image


class OpenProgram(Protocol):
    """Opens a family's program from a version folder of `denoise`."""

    def __call__(
        self, folder: Path, manifest: Manifest, settings: Settings, provider: str, device_id: int
    ) -> Program:
        """`provider` is "cpu", "cuda" or "tensorrt"; Unavailable when the folder lacks a file."""


class HostedFamily(NamedTuple):
    """The row of one family: how to open its program, and its metrics."""

    open: OpenProgram
    figures: tuple[Figure, ...] = ()  # metrics that its program reports


PROGRAMS: dict[str, HostedFamily] = {
    try_on.FAMILY: HostedFamily(open_try_on, TRY_ON_FIGURES),
    fashn.FAMILY: HostedFamily(open_fashn, FASHN_FIGURES),
    z_image.FAMILY: HostedFamily(open_z_image, PICTURE_FIGURES),
    flux.FAMILY: HostedFamily(open_flux, PICTURE_FIGURES),
}


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> Program:
    """The program of the manifest's family; Unavailable when no row is of that family."""
    if manifest.family not in PROGRAMS:
        raise Unavailable(f"{folder}: family must be one of {sorted(PROGRAMS)}, got {manifest.family!r}")
    return PROGRAMS[manifest.family].open(folder, manifest, settings, provider, device_id)
