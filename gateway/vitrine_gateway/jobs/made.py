"""What a pipeline of the gateway gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Made:
    """A finished picture, or None where the pipeline makes none, and what is told about it."""

    content: bytes | None
    media_type: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """What a pipeline gets: options, pictures by input name, and names of persons and garments."""

    options: Mapping[str, Any]
    pictures: Mapping[str, list[bytes]]
    person_id: str | None = None  # the person's name in the server's caches
    garment_ids: list[str] = field(default_factory=list)


def media_type(named: Mapping[str, Any]) -> str:
    """The media type of a picture made with these options."""
    return f"image/{named.get('format') or 'png'}"


def facts_of(image: Image.Image, timings: Mapping[str, float], report: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of every picture."""
    return {
        "width": image.width,
        "height": image.height,
        "timings": dict(timings),
        "versions": report.get("versions", {}),
        "pipeline_digest": report.get("pipeline_digest"),
    }
