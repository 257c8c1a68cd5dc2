"""A checkpoint folder: its configs and settings, and its networks loaded one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.sampling.schedules import KINDS
from vitrine_orchestrator.stages.idm_vton import FAMILY

from vitrine_export.checkpoint import layout
from vitrine_export.checkpoint.digest import digest_of
from vitrine_export.checkpoint.place import ensure_folder
from vitrine_export.checkpoint.scheduler_file import read_scheduler
from vitrine_export.checkpoint.settings_file import read_settings_file
from vitrine_export.checkpoint.weight_files import weight_files
from vitrine_export.errors import BadCheckpoint

if TYPE_CHECKING:  # torch takes seconds to import, and a digest does not need it
    import torch
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

    from vitrine_export.nets import GarmentNet, ImageProjection, TryonNet
    from vitrine_export.person_nets import BodyPose

MULTIPLE, SMALLEST = 8, 64
"""A picture's sides in px are multiples of the VAE's factor, and at least this long."""

PART_OF = {"image_projection": "unet", "pose": "openpose/ckpts"}
"""The folders of networks whose folder has another name."""


@dataclass(frozen=True)
class Settings:
    """The settings of vitrine.json: the picture's size in px, and defaults of requests."""

    width: int = 768
    height: int = 1024
    default_steps: int = 30
    default_guidance: float = 2.0


def read_settings(folder: Path, default: Settings) -> Settings:
    """Read vitrine.json in a checkpoint's folder; `default` has the values for what it omits."""
    found = read_settings_file(folder)
    return Settings(
        width=found.side("width", default.width, MULTIPLE, SMALLEST),
        height=found.side("height", default.height, MULTIPLE, SMALLEST),
        default_steps=found.steps(default.default_steps),
        default_guidance=found.guidance(default.default_guidance),
    )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in the released layout. Each call loads a network and does not keep it.

    `unet` is the folder of TryonNet's weights: folder/unet, or the one that replaces it.
    All methods raise BadCheckpoint, which names the file, for missing or wrong contents.
    """

    folder: Path
    unet: Path

    def tryon(self, dtype: torch.dtype | None = None) -> TryonNet:
        """Load TryonNet from unet/. `dtype` defaults to float32 here and below."""
        return self._load("unet", dtype)

    def image_projection(self, dtype: torch.dtype | None = None) -> ImageProjection:
        """Load only the image projection from unet/."""
        return self._load("image_projection", dtype)

    def garment(self, dtype: torch.dtype | None = None) -> GarmentNet:
        """Load GarmentNet from unet_encoder/."""
        return self._load("unet_encoder", dtype)

    def vae(self, dtype: torch.dtype | None = None) -> AutoencoderKL:
        """Load the VAE."""
        return self._load("vae", dtype)

    def text_encoder(self, dtype: torch.dtype | None = None) -> CLIPTextModel:
        """Load CLIP-L, or the paper-doll checkpoint's encoder in its place."""
        return self._load("text_encoder", dtype)

    def text_encoder_2(self, dtype: torch.dtype | None = None) -> CLIPTextModelWithProjection:
        """Load OpenCLIP bigG, or the paper-doll checkpoint's encoder in its place."""
        return self._load("text_encoder_2", dtype)

    def image_encoder(self, dtype: torch.dtype | None = None) -> CLIPVisionModelWithProjection:
        """Load CLIP ViT-H, or the paper-doll checkpoint's encoder in its place."""
        return self._load("image_encoder", dtype)

    def pose(self, dtype: torch.dtype | None = None) -> BodyPose:
        """Load OpenPose's body network."""
        return self._load("pose", dtype)

    def parsing(self, stage: str) -> Path:
        """Return the ONNX file of `parsing_atr` or `parsing_lip`."""
        return layout.parsing_file(self.folder, stage)

    def densepose(self, stage: str = "densepose") -> Path:
        """Return the DensePose network's ONNX or TorchScript file."""
        return layout.densepose_file(self.folder)

    def config(self, part: str) -> dict[str, Any]:
        """Return the config.json of a part."""
        return layout.read_json(self._part(part) / "config.json", f"{part}/config.json")

    @cached_property
    def scheduler(self) -> dict[str, Any]:
        """Return scheduler/scheduler_config.json unchanged; BadCheckpoint for one that cannot be served."""
        return read_scheduler(self.folder, KINDS)

    @cached_property
    def settings(self) -> Settings:
        """Return the settings of vitrine.json, with the released model's values for what it omits."""
        return read_settings(self.folder, Settings())

    @property
    def family(self) -> str:
        """See AnyCheckpoint."""
        return FAMILY

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that can change a result, with its name in the layout."""
        return layout.files_that_count(self.folder, self.unet)

    def digest(self) -> str:
        """Return the sha256 over the names and bytes of every file that can change a result."""
        return digest_of(self.files())

    def verify(self, names: Iterable[str]) -> None:
        """Check config, files, keys and shapes of the named networks; reads file headers only."""
        from vitrine_export.checkpoint.components import COMPONENTS, empty

        for name in names:
            sources = [self.sources(name, half) for half in (False, True)]
            for config, files, part in sources[: 1 if sources[0] == sources[1] else 2]:
                empty(COMPONENTS[name], config, files, part)

    def _load(self, name: str, dtype: torch.dtype | None) -> Any:
        import torch

        from vitrine_export.checkpoint.components import COMPONENTS, empty, fill

        component = COMPONENTS[name]
        config, files, part = self.sources(name, half=dtype == torch.float16)
        net, places = empty(component, config, files, part)
        return fill(component, net, places, part, dtype or torch.float32)

    def sources(self, name: str, half: bool) -> tuple[dict[str, Any], tuple[Path, ...], str]:
        """Return a network's config, its weight files (`half`: for float16) and the name of their folder."""
        part = PART_OF.get(name, name)
        if name == "pose":
            return {}, (layout.pose_file(self.folder),), part
        return self.config(part), weight_files(self._part(part), half), part

    def _part(self, part: str) -> Path:
        return self.unet if part == "unet" else self.folder / part


def open_checkpoint(folder: Path, unet: Path | None = None) -> Checkpoint:
    """Open the checkpoint in `folder`; `unet` (a unet/ folder or its parent) replaces its unet/.

    Raises BadCheckpoint for a missing part, and for parts of different models.
    """
    for given in (folder, unet):
        if given is not None:
            ensure_folder(given)
    chosen = chosen_unet(folder, unet)
    missing = [part for part in layout.TRY_ON_PARTS if part != "unet" and not (folder / part).is_dir()]
    if not chosen.is_dir():
        missing.insert(0, "unet")
    if missing:
        raise BadCheckpoint(f"{folder} has no folder {', '.join(part + '/' for part in missing)}")
    checkpoint = Checkpoint(folder, chosen)
    check_widths(checkpoint)
    return checkpoint


def chosen_unet(folder: Path, unet: Path | None) -> Path:
    """Return the folder of TryonNet's weights: folder/unet, or the replacement or its unet/."""
    if unet is None:
        return folder / "unet"
    return unet / "unet" if (unet / "unet").is_dir() else unet


def check_widths(checkpoint: Checkpoint) -> None:
    """Raise BadCheckpoint for text encoders of another model, which would fail deep inside the UNet."""
    texts: list[Any] = [
        checkpoint.config(part).get("hidden_size") for part in ("text_encoder", "text_encoder_2")
    ]
    for part in ("unet", "unet_encoder"):
        width = checkpoint.config(part).get("cross_attention_dim")
        if all(isinstance(one, int) for one in (*texts, width)) and sum(texts) != width:
            raise BadCheckpoint(
                f"{part}/config.json: cross_attention_dim must be {texts[0]} + {texts[1]}, the widths of "
                f"text_encoder/ and text_encoder_2/, got {width}"
            )
