"""vitrine.json of a checkpoint's folder: what neither the weights nor the released configs tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine_orchestrator.wire.fields import MAX_GUIDANCE, MAX_STEPS

from vitrine_export.checkpoint import layout
from vitrine_export.checkpoint.place import optional_file
from vitrine_export.errors import BadCheckpoint

LARGEST = 4096
"""The longest side of a picture in px."""


@dataclass(frozen=True)
class SettingsFile:
    """The values of vitrine.json. Each method raises BadCheckpoint with key, rule and value."""

    values: dict[str, Any]

    def side(self, name: str, default: int, multiple: int, least: int) -> int:
        """Return picture.width or picture.height in px, at least `least`."""
        picture = self.values.get("picture", {})
        if not isinstance(picture, dict):
            raise _wrong("picture", "an object with width and height", picture)
        value = picture.get(name, default)
        if not _is_whole(value) or value % multiple or not least <= value <= LARGEST:
            rule = f"a multiple of {multiple} from {least} to {LARGEST}"
            raise _wrong(f"picture.{name}", rule, value)
        return int(value)

    def steps(self, default: int) -> int:
        """Return the default number of denoising steps."""
        return self.whole("default_steps", default, 1, MAX_STEPS)

    def guidance(self, default: float) -> float:
        """Return the default guidance."""
        value = self.values.get("default_guidance", default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _within(value):
            raise _wrong("default_guidance", f"a number from 0 to {MAX_GUIDANCE:g}", value)
        return float(value)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number."""
        value = self.values.get(name, default)
        if not _is_whole(value) or not least <= value <= most:
            raise _wrong(name, f"a whole number from {least} to {most}", value)
        return int(value)

    def wholes(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """Return a list of positive whole numbers."""
        value = self.values.get(name, list(default))
        if not isinstance(value, list) or not all(_is_whole(one) and one > 0 for one in value):
            raise _wrong(name, "a list of positive whole numbers", value)
        return tuple(value)

    def text(self, name: str, default: str) -> str:
        """Return a text that is not empty."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or not value.strip():
            raise _wrong(name, "a text", value)
        return value.strip()

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """Return one of `choices`."""
        value = self.values.get(name, default)
        if value not in choices:
            raise _wrong(name, f"in {list(choices)}", value)
        return str(value)


def read_settings_file(folder: Path) -> SettingsFile:
    """Read vitrine.json in a checkpoint's folder; without one, every value is its default."""
    path = optional_file(folder, layout.SETTINGS_FILE)
    return SettingsFile(layout.read_json(path, layout.SETTINGS_FILE) if path else {})


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: float) -> bool:
    return 0 <= value <= MAX_GUIDANCE  # false for NaN


def _wrong(name: str, rule: str, value: object) -> BadCheckpoint:
    return BadCheckpoint(f"{layout.SETTINGS_FILE}: {name} must be {rule}, got {value!r}")
