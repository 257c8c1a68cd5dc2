"""A checkpoint folder of CLIP, in the layout of openai/clip-vit-large-patch14."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.images.clip import MEAN, STD
from vitrine_orchestrator.stages.clip import FAMILY, LENGTH, SIDE

from vitrine_export.checkpoint import layout
from vitrine_export.checkpoint.digest import digest_of
from vitrine_export.checkpoint.place import ensure_folder, optional_file
from vitrine_export.checkpoint.settings_file import read_settings_file
from vitrine_export.checkpoint.weight_files import halves, weight_files
from vitrine_export.errors import BadCheckpoint

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
TOKENIZER = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
TOWERS = ("vision", "text")
BICUBIC = 3  # Pillow's number, in preprocessor_config.json
TOLERANCE = 1e-6  # of a mean or deviation: they are written with 8 digits


@dataclass(frozen=True)
class ClipCheckpoint:
    """A checkpoint of CLIP. Each call loads a tower and does not keep it.

    All methods raise BadCheckpoint, which names the file, for missing or wrong contents.
    """

    folder: Path

    @property
    def family(self) -> str:
        """See AnyCheckpoint."""
        return FAMILY

    @property
    def model(self) -> str:
        """The model's name in reports: `model` of vitrine.json, else the folder's name."""
        return read_settings_file(self.folder).text("model", self.folder.resolve().name)

    @property
    def config(self) -> dict[str, Any]:
        """Return config.json."""
        return layout.read_json(self.folder / CONFIG, CONFIG)

    def load(self, tower: str, dtype: torch.dtype | None = None) -> nn.Module:
        """Load a tower of TOWERS with its projection; `dtype` defaults to float32."""
        import torch

        from vitrine_export.checkpoint.components import fill

        component, net, places = self._opened(tower, half=dtype == torch.float16)
        return fill(component, net, places, tower, dtype or torch.float32)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that can change a result, with its name in the layout."""
        names = (CONFIG, PREPROCESSOR, *TOKENIZER, layout.SETTINGS_FILE)
        found = [path for name in names if (path := optional_file(self.folder, name))]
        weights = (path for half in (False, True) for path in weight_files(self.folder, half))
        for path in sorted({*found, *weights}):
            yield path.name, path

    def digest(self) -> str:
        """Return the sha256 over the names and bytes of every file that can change a result."""
        return digest_of(self.files())

    def verify(self, names: Iterable[str]) -> None:
        """Check config, preprocessing, keys and shapes of these towers; reads file headers only."""
        self._check_sizes()
        self._check_preprocessing()
        for tower in names:
            for half in halves(self.folder):
                self._opened(tower, half)

    def _opened(self, tower: str, half: bool) -> tuple[Any, nn.Module, dict]:
        from vitrine_export.checkpoint.clip_towers import tower_of
        from vitrine_export.checkpoint.components import empty

        component, config = tower_of(tower, self.config)
        return component, *empty(component, config, weight_files(self.folder, half), tower)

    def _check_sizes(self) -> None:
        config = self.config
        for tower, key, wanted in (
            ("vision", "image_size", SIDE),
            ("text", "max_position_embeddings", LENGTH),
        ):
            own = config.get(f"{tower}_config", {})
            if not isinstance(own, dict):
                raise BadCheckpoint(f"{CONFIG}: {tower}_config must be an object, got {own!r}")
            got = own.get(key, wanted)
            if got != wanted:
                raise BadCheckpoint(f"{CONFIG}: {tower}_config.{key} must be {wanted}, got {got}")

    def _check_preprocessing(self) -> None:
        """Refuse pictures that are prepared otherwise than the server prepares them."""
        path = optional_file(self.folder, PREPROCESSOR)
        if path is None:
            return
        found = layout.read_json(path, PREPROCESSOR)
        for name, wanted in (("image_mean", MEAN), ("image_std", STD)):
            got = found.get(name, wanted.tolist())
            if not _near(got, wanted.tolist()):
                raise BadCheckpoint(f"{PREPROCESSOR}: {name} must be CLIP's {wanted.tolist()}, got {got}")
        if found.get("resample", BICUBIC) != BICUBIC:
            raise BadCheckpoint(
                f"{PREPROCESSOR}: resample must be {BICUBIC} (bicubic), got {found['resample']}"
            )


def _near(got: object, wanted: list[float]) -> bool:
    """Whether a value of a config is a list of about these numbers."""
    if not isinstance(got, list) or len(got) != len(wanted):
        return False
    return all(
        isinstance(a, int | float) and abs(a - b) <= TOLERANCE for a, b in zip(got, wanted, strict=True)
    )


def is_clip(folder: Path) -> bool:
    """Return whether the folder's config.json is of a CLIP model."""
    try:
        return layout.read_json(folder / CONFIG, CONFIG).get("model_type") == "clip"
    except BadCheckpoint:
        return False


def open_clip(folder: Path, unet: Path | None = None) -> ClipCheckpoint:
    """Open the checkpoint; BadCheckpoint for a replaced UNet, which it has not."""
    if unet is not None:
        raise BadCheckpoint("--unet does not go with a CLIP checkpoint: it has no unet/")
    ensure_folder(folder)
    return ClipCheckpoint(folder)
