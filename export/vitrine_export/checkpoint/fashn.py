"""A checkpoint folder of FASHN VTON, in the layout of fashn-ai/fashn-vton-1.5 with the files of DWPose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.stages.fashn import FAMILY

from vitrine_export.checkpoint import layout
from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.checkpoint.digest import digest_of
from vitrine_export.checkpoint.place import ensure_folder, optional_file
from vitrine_export.checkpoint.settings_file import read_settings_file
from vitrine_export.errors import BadCheckpoint

if TYPE_CHECKING:  # torch takes seconds to import, and a digest does not need it
    import torch

    from vitrine_export.nets.fashn import FashnConfig, FashnNet

WEIGHTS = "model.safetensors"
DWPOSE_FILES = {"yolox": "dwpose/yolox_l.onnx", "dwpose": "dwpose/dw-ll_ucoco_384.onnx"}
"""The files of the two pose networks, by stage."""
FILES = {**DWPOSE_FILES, "garment_parser": "garment_parser/garment_parser.onnx"}
"""The files of all stages that are adopted; the last one is optional."""
DWPOSE = "dwpose"
FOLDERS = (DWPOSE, "garment_parser")
OTHERS = ("model_index.json", "unet", "transformer")
"""What other models' folders have at their top."""
NETWORK = "model"
TELLTALE = "garment_embedder.proj.weight"
"""A weight that other single files of weights lack."""
PREDICTIONS = ("velocity", "sample")
PATCH = 12
"""Side of a patch in px, of which the canvas's sides are multiples."""
MOST_HEADS = 256


@dataclass(frozen=True)
class FashnSettings:
    """The settings of vitrine.json, which the weights do not tell; the defaults are the released model's."""

    width: int = 576  # of the canvas, in px
    height: int = 864
    heads: int = 10
    axes: tuple[int, ...] = (16, 56, 56)  # rotary dims, together the width of a head
    default_steps: int = 30
    default_guidance: float = 1.5
    prediction_type: str = "velocity"  # what the network answers with; "sample": the picture


@dataclass(frozen=True)
class FashnCheckpoint:
    """A checkpoint of FASHN VTON.

    All methods raise BadCheckpoint, which names the file, for missing or wrong contents.
    """

    folder: Path

    @property
    def family(self) -> str:
        """See AnyCheckpoint."""
        return FAMILY

    def net(self, dtype: torch.dtype | None = None) -> FashnNet:
        """Load the network; `dtype` defaults to float32."""
        import torch

        from vitrine_export.checkpoint.components import fill

        component, net, places = self._opened()
        return fill(component, net, places, NETWORK, dtype or torch.float32)

    def file(self, stage: str) -> Path:
        """Return the ONNX file of a stage of FILES."""
        ensure_present(self.folder / FILES[stage], FILES[stage])
        return self.folder / FILES[stage]

    def has_file(self, stage: str) -> bool:
        """Whether the folder holds the file of a stage of FILES."""
        return optional_file(self.folder, FILES[stage]) is not None

    @cached_property
    def settings(self) -> FashnSettings:
        """Return the settings of vitrine.json, with the released model's values for what it omits."""
        found, default = read_settings_file(self.folder), FashnSettings()
        return FashnSettings(
            width=found.side("width", default.width, PATCH, PATCH),
            height=found.side("height", default.height, PATCH, PATCH),
            heads=found.whole("heads", default.heads, 1, MOST_HEADS),
            axes=found.wholes("axes", default.axes),
            default_steps=found.steps(default.default_steps),
            default_guidance=found.guidance(default.default_guidance),
            prediction_type=found.choice("prediction_type", default.prediction_type, PREDICTIONS),
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that can change a result, with its name in the layout."""
        yield from layout.files_in(self.folder, FOLDERS)
        for name in (WEIGHTS, layout.SETTINGS_FILE):
            if path := optional_file(self.folder, name):
                yield name, path

    def digest(self) -> str:
        """Return the sha256 over the names and bytes of every file that can change a result."""
        return digest_of(self.files())

    def verify(self, names: Iterable[str]) -> None:
        """Check keys and shapes of the network; reads file headers only."""
        if NETWORK in names:
            self._opened()

    def _opened(self) -> tuple[Any, Any, dict]:
        from vitrine_export.checkpoint.components import Component, empty
        from vitrine_export.nets.fashn import FashnNet

        component = Component(lambda config, state: FashnNet(self._config(state)), str)
        return component, *empty(component, {}, (self.folder / WEIGHTS,), NETWORK)

    def _config(self, state: Any) -> FashnConfig:
        from vitrine_export.nets.fashn import FashnConfig

        settings = self.settings
        return FashnConfig.from_weights(
            state, height=settings.height, width=settings.width, heads=settings.heads, axes=settings.axes
        )


def is_fashn(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint of FASHN VTON.

    The names in its file of weights say so. Where that cannot be read, DWPose's folder does, if there is no
    other model: so a pointer or a cut file is told as one, and not as a missing UNet.
    """
    try:
        with (folder / WEIGHTS).open("rb") as file:
            names = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (OSError, ValueError, OverflowError, MemoryError, RecursionError):
        return (folder / DWPOSE).is_dir() and not any((folder / name).exists() for name in OTHERS)
    return isinstance(names, dict) and TELLTALE in names


def open_fashn(folder: Path, unet: Path | None = None) -> FashnCheckpoint:
    """Open the checkpoint in `folder`. Raises BadCheckpoint without weights, or for a replaced UNet."""
    if unet is not None:
        raise BadCheckpoint(f"--unet replaces a UNet, and {folder} has none: it is a FASHN VTON checkpoint")
    ensure_folder(folder)
    ensure_present(folder / WEIGHTS, WEIGHTS)
    ensure_real(folder / WEIGHTS, WEIGHTS)
    return FashnCheckpoint(folder)
