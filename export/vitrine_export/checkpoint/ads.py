"""A checkpoint folder of an advertising family, in the layout of diffusers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_export.checkpoint import layout
from vitrine_export.checkpoint.ad_layout import FAMILIES, Family
from vitrine_export.checkpoint.digest import digest_of
from vitrine_export.checkpoint.folder import Settings, read_settings
from vitrine_export.checkpoint.place import ensure_folder, optional_file
from vitrine_export.checkpoint.scheduler_file import read_scheduler
from vitrine_export.checkpoint.weight_files import halves, weight_files
from vitrine_export.errors import BadCheckpoint

if TYPE_CHECKING:
    import torch
    from torch import nn

INDEX = "model_index.json"
FLOW = ("flow",)
"""The kinds of schedulers that these families are sampled with."""

PICTURES = {
    "z-image": Settings(width=1024, height=1024, default_steps=8, default_guidance=0.0),
    "flux": Settings(width=1024, height=1024, default_steps=28, default_guidance=3.5),
}
"""The sizes and defaults of Z-Image Turbo and FLUX.1 dev, by family."""

WITHOUT_GUIDANCE = {"flux": Settings(width=1024, height=1024, default_steps=4, default_guidance=0.0)}
"""Those of a family's checkpoints that take no guidance where others do: FLUX.1 schnell's."""


@dataclass(frozen=True)
class AdCheckpoint:
    """A checkpoint of Z-Image or FLUX.1. Each call loads a network and does not keep it.

    All methods raise BadCheckpoint, which names the file, for missing or wrong contents.
    """

    folder: Path
    kind: Family

    @property
    def family(self) -> str:
        """See AnyCheckpoint."""
        return self.kind.name

    def load(self, part: str, dtype: torch.dtype | None = None) -> nn.Module:
        """Load the network of a folder; `dtype` defaults to float32."""
        import torch

        from vitrine_export.checkpoint.components import fill

        component, net, places = self._opened(part, half=dtype == torch.float16)
        return fill(component, net, places, part, dtype or torch.float32)

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Check config, files, keys and shapes of these networks, or of all; reads file headers only."""
        for part in self.kind.networks if names is None else names:
            for half in halves(self.folder / part):
                self._opened(part, half)

    def empty(self, part: str) -> nn.Module:
        """Return the network of a folder without its weights, on the meta device."""
        return self._opened(part, half=False)[1]

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that can change a result, with its name in the layout."""
        yield from layout.files_in(self.folder, (*self.kind.networks, *self.kind.tokenizers, "scheduler"))
        if settings := optional_file(self.folder, layout.SETTINGS_FILE):
            yield layout.SETTINGS_FILE, settings

    def digest(self) -> str:
        """Return the sha256 over the names and bytes of every file that can change a result."""
        return digest_of(self.files())

    @property
    def settings(self) -> Settings:
        """Return the settings of vitrine.json, with the released model's values for what it omits."""
        guided = self.config("transformer").get("guidance_embeds", False)
        rows = PICTURES if guided else PICTURES | WITHOUT_GUIDANCE
        return read_settings(self.folder, rows[self.kind.name])

    def config(self, part: str) -> dict[str, Any]:
        """Return the config.json of a network."""
        return layout.read_json(self.folder / part / "config.json", f"{part}/config.json")

    @property
    def scheduler(self) -> dict[str, Any]:
        """Return scheduler/scheduler_config.json unchanged; BadCheckpoint for one that cannot be served."""
        return read_scheduler(self.folder, FLOW)

    def _opened(self, part: str, half: bool) -> tuple[Any, nn.Module, dict]:
        from vitrine_export.checkpoint.ad_components import component_of
        from vitrine_export.checkpoint.components import empty

        component, config = component_of(self.kind.name, part, self.config(part))
        files = weight_files(self.folder / part, half)
        return component, *empty(component, config, files, part)


def open_ads(folder: Path) -> AdCheckpoint:
    """Open the checkpoint in `folder`. Raises BadCheckpoint for another family or a missing part."""
    ensure_folder(folder)
    pipeline = layout.read_json(folder / INDEX, INDEX).get("_class_name")
    family = next((family for family in FAMILIES if pipeline in family.pipelines), None)
    if family is None:
        known = ", ".join(name for family in FAMILIES for name in family.pipelines)
        raise BadCheckpoint(f"{INDEX}: _class_name must be one of {known}, got {pipeline!r}")
    parts = (*family.networks, *family.tokenizers, "scheduler")
    if missing := [f"{part}/" for part in parts if not (folder / part).is_dir()]:
        raise BadCheckpoint(f"{folder.name} has no folder {', '.join(missing)}")
    return AdCheckpoint(folder, family)
