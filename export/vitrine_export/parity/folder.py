"""A folder of reference arrays: finds its configs, weights and cases by their names."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitrine_export.checkpoint.components import COMPONENTS, empty, fill
from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets import GarmentNet, TryonNet
from vitrine_export.nets.pipeline import Nets

Config = Mapping[str, Any]
Arrays = dict[str, np.ndarray]


class Folder:
    """meta.json, and for each config NAME weights `NAME_unet.safetensors` … and cases `NAME_KIND_*.npz`."""

    def __init__(self, path: Path) -> None:
        """Raise BadCheckpoint if there is no readable meta.json."""
        self.path = path
        try:
            self.meta: Config = json.loads((path / "meta.json").read_text())
        except (OSError, ValueError) as error:
            raise BadCheckpoint(f"meta.json cannot be read: {type(error).__name__}") from error

    def cases(self, kind: str) -> list[tuple[str, str, Arrays]]:
        """Return (config name, case name, arrays) of every `NAME_KIND_*.npz`, by file name."""
        found = sorted(self.path.glob(f"*_{kind}_*.npz"))
        return [(file.stem.partition(f"_{kind}_")[0], file.stem, arrays(file)) for file in found]

    def pair(self, name: str) -> tuple[TryonNet, GarmentNet]:
        """Return TryonNet and GarmentNet of config `name`."""
        if name not in self.meta["configs"]:
            raise BadCheckpoint(f"meta.json: configs must hold {name!r}, got {sorted(self.meta['configs'])}")
        config = self.meta["configs"][name]
        projection = self._config(name, "resampler")
        unet = {**config["unet"], "image_projection": projection}
        return self._net(name, "unet", unet), self._net(name, "unet_encoder", config["unet_encoder"])

    def nets(self, name: str) -> Nets:
        """Return all networks of a run with config `name`."""
        vae = self._net(name, "vae", self._config(name, "vae"))
        encoder = self._net(name, "image_encoder", self._config(name, "image_encoder"))
        return Nets(*self.pair(name), vae, encoder)

    def described(self, case: str) -> Config:
        """Return the entry of a case in meta.json's `pipelines`, or {}."""
        runs = self.meta.get("pipelines", ())
        runs = [{"name": name, **entry} for name, entry in runs.items()] if isinstance(runs, dict) else runs
        return next((entry for entry in runs if entry.get("name") == case), {})

    def file(self, name: str) -> Path | None:
        """Return a file of the folder, or None."""
        return path if (path := self.path / name).is_file() else None

    def _config(self, name: str, part: str) -> Config:
        """Return a part's config: that of the named config, else the shared one."""
        return self.meta["configs"][name].get(part) or self.meta[part]

    def _net(self, name: str, part: str, config: Config) -> nn.Module:
        file = self.file(f"{name}_{part}.safetensors") or self.path / f"{part}.safetensors"
        return _loaded(part, json.dumps(config), file)


def arrays(file: Path) -> Arrays:
    """Read all arrays of an .npz file."""
    with np.load(file) as opened:
        return {name: opened[name] for name in opened.files}


def tensor(array: np.ndarray) -> Tensor:
    """Return the array as a float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


@cache
def _loaded(part: str, config: str, file: Path) -> nn.Module:
    """Load a network in float32; cases share it."""
    net, places = empty(COMPONENTS[part], json.loads(config), (file,), part)
    return fill(COMPONENTS[part], net, places, part, torch.float32)
