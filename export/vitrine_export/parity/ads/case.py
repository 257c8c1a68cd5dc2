"""One case of a folder: its options in meta.json, and the arrays of the released pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitrine_export.errors import BadCheckpoint

Arrays = Mapping[str, np.ndarray]
TEXT_LENGTH = 512


@dataclass(frozen=True)
class Case:
    """The options of a case. `guidance` and `strength` are None if not used; sizes are in pixels."""

    name: str
    kind: str
    model: str
    prompts: tuple[str, ...]
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    strength: float | None
    text_length: int

    @property
    def tokens(self) -> int:
        """The number of picture tokens, of 16 × 16 pixels each."""
        return (self.width // 16) * (self.height // 16)


def is_ad_folder(path: Path) -> bool:
    """Return whether meta.json has the form of the advertising families: a list of cases with kinds."""
    try:
        cases = json.loads((path / "meta.json").read_text()).get("cases")
    except (OSError, ValueError, AttributeError):
        return False
    return isinstance(cases, list) and any("kind" in case for case in cases if isinstance(case, dict))


def read_cases(path: Path) -> list[Case]:
    """Read every case of meta.json. Raises BadCheckpoint with the fields that a case lacks."""
    return [_case(given) for given in json.loads((path / "meta.json").read_text())["cases"]]


def _case(given: Mapping[str, Any]) -> Case:
    try:
        return Case(
            name=given["name"],
            kind=given["kind"],
            model=given["model"],
            prompts=tuple(given["prompts"]),
            negative=given.get("negative") or given.get("negative_prompt") or "",
            width=int(given["width"]),
            height=int(given["height"]),
            steps=int(given["steps"]),
            guidance=float(given.get("guidance") or 0.0),
            strength=given.get("strength"),
            text_length=int(given.get("max_sequence_length") or TEXT_LENGTH),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"meta.json: case {given.get('name')!r} cannot be read: {error!r}") from error


def read_arrays(path: Path, case: Case) -> Arrays:
    """Read the arrays of CASE.npz. Raises BadCheckpoint if it is missing or damaged."""
    try:
        with np.load(path / f"{case.name}.npz") as opened:
            return {name: opened[name] for name in opened.files}
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{case.name}.npz cannot be read: {type(error).__name__}") from error
