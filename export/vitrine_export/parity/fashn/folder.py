"""A folder of FASHN VTON's reference arrays: `config_NAME.safetensors` and `NAME_KIND.npz`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from safetensors.torch import load_file

from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.fashn import FashnConfig, FashnNet
from vitrine_export.parity.fashn.forms import Forms
from vitrine_export.parity.folder import Arrays, Folder, arrays


def recognised(folder: Folder) -> bool:
    """Return whether meta.json describes a FASHN VTON network."""
    return any("patch_mixer_depth" in config for config in _configs(folder).values())


def _configs(folder: Folder) -> dict[str, dict[str, object]]:
    """Return the configs by name; a folder with a single config names it only in its files."""
    found = folder.meta.get("configs") or {"": folder.meta.get("config", {})}
    return {name: dict(config) for name, config in found.items()}


class FashnFolder:
    """The cases of a folder, and their networks."""

    def __init__(self, folder: Folder) -> None:
        self.path, self._given = folder.path, _configs(folder)
        self._forms: dict[str, Forms] = {}

    def cases(self, pattern: str) -> Iterator[tuple[str, str, Arrays]]:
        """Yield (config name, case, arrays) of every file whose name after the config's name matches."""
        for file in sorted(self.path.glob("*.npz")):
            name, _, kind = file.stem.partition("_")
            if re.fullmatch(pattern, kind):
                yield name, file.stem, arrays(file)

    def forms(self, name: str) -> Forms:
        """Return the network of a config in each of its forms; exports it to ONNX once."""
        if name not in self._forms:
            self._forms[name] = Forms(self._net(name))
        return self._forms[name]

    def config(self, name: str) -> FashnConfig:
        """Return the config `name`. Raises BadCheckpoint if meta.json lacks it."""
        given = self._given.get(name) or self._given.get("")
        if not given:
            raise BadCheckpoint(f"meta.json: no config for {name!r}, only {sorted(self._given)}")
        return FashnConfig.from_released(given)

    def _net(self, name: str) -> FashnNet:
        file = self.path / f"config_{name}.safetensors"
        if not file.is_file():
            raise BadCheckpoint(f"{file.name} is missing")
        return FashnNet.from_released(self.config(name), load_file(file))
