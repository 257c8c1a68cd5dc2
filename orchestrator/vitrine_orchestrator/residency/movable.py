"""The models of a repository that can be loaded and unloaded: networks, and `denoise` once for each family.

Everything else (pipelines, caches) is thin and always loaded. `denoise` holds the programs of all families in
one process, and only a process that ends gives all its memory back. So each family gets a model of its own,
with the same files: `denoise_z_image`, of which `model.py` opens one program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrine_orchestrator.manifest import FILE, is_version, read_releases
from vitrine_orchestrator.stages import STAGES, Stage

EDGE_BYTES = 2**16  # of each file, the part at both ends that its digest reads
SHARED = "denoise"  # the stage that several families share
FAMILY = "family"
"""The parameter of a model's config that names the one family whose program it opens."""


@dataclass(frozen=True)
class Movable:
    """One model that can be unloaded."""

    name: str
    source: str  # the model of the repository that it is made of
    family: str | None  # the family that it is limited to
    files: tuple[Path, ...]  # its weights, of all versions

    @property
    def file_bytes(self) -> int:
        """The size of its weights on disk."""
        return sum(path.stat().st_size for path in self.files)

    def digest(self, profile: str) -> str:
        """Hexadecimal SHA-256 of its name, the profile, and sizes and edges of its weights."""
        hashed = hashlib.sha256(repr((self.name, profile)).encode())
        for path in self.files:
            hashed.update(repr((path.name, path.stat().st_size)).encode() + _edges(path))
        return hashed.hexdigest()


def name_for(family: str) -> str:
    """The name of the model that runs one family's program."""
    return f"{SHARED}_{family.replace('-', '_')}"


def movables(repository: Path, names: Iterable[str]) -> list[Movable]:
    """Those of the models `names` that can be unloaded, in loading order."""
    loaded = set(names)
    return [
        one for row in STAGES if row.name in loaded and row.holds_networks for one in _of_row(repository, row)
    ]


def _of_row(repository: Path, row: Stage) -> Sequence[Movable]:
    weights = tuple(path for path in sorted((repository / row.name).glob("*/*")) if _is_weight(path))
    found = _families(repository / row.name) if row.needs_manifest else []
    if len(found) < 2:
        return [Movable(row.name, row.name, None, weights)]
    return [Movable(name_for(one), row.name, one, _share(weights, one, found)) for one in found]


def _share(weights: Iterable[Path], family: str, families: Sequence[str]) -> tuple[Path, ...]:
    """The weights of one family: those whose name begins with its own, or, for one family, with nobody's."""
    named = {
        path: next((one for one in families if path.name.startswith(_word(one))), None) for path in weights
    }
    nameless = next((one for one in families if one not in named.values()), None)
    return tuple(path for path, owner in named.items() if (owner or nameless) == family)


def _word(family: str) -> str:
    return family.replace("-", "_")


def _families(model: Path) -> list[str]:
    return sorted({family for path in model.glob(f"*/{FILE}") for family in read_releases(path.parent)})


def _is_weight(path: Path) -> bool:
    return path.is_file() and is_version(path.parent.name) and path.suffix not in (".py", ".json")


def _edges(path: Path) -> bytes:
    with path.open("rb") as file:
        first = file.read(EDGE_BYTES)
        file.seek(max(path.stat().st_size - EDGE_BYTES, 0))
        return first + file.read(EDGE_BYTES)
