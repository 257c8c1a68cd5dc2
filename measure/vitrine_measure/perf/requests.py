"""The requests that perf_analyzer sends: drawn people in drawn garments, a new seed each."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from vitrine_world import dolls

WORLD = 4242
"""The seed of the dolls, which are not in the training data."""


def write_requests(path: Path, count: int, people: int, steps: int) -> None:
    """Write an --input-data file of `count` requests of `try_on`, `people` different ones in turn.

    Every request has its own seed, so that no cache of results can answer it. People and garments repeat, as
    in a shop, so that the caches of prepared persons and garments are used.
    """
    pairs = [_pair(index) for index in range(people)]
    rows = [
        {**pairs[index % people], "seed": _numbers(index), "steps": _numbers(steps)} for index in range(count)
    ]
    path.write_text(json.dumps({"data": rows}))


def bytes_value(value: bytes) -> dict[str, object]:
    """Return a BYTES tensor (1,): its little-endian length of 4 bytes goes inside the base64."""
    return {"b64": base64.b64encode(struct.pack("<I", len(value)) + value).decode(), "shape": [1]}


def _pair(index: int) -> dict[str, dict[str, object]]:
    made = dolls.sample(WORLD, index)
    return {
        "person": bytes_value(_png(dolls.draw_person(made.person))),
        "garment": bytes_value(_png(dolls.draw_garment(made.garment))),
        "category": bytes_value(made.category.encode()),
        "description": bytes_value(made.garment.description.encode()),
    }


def _numbers(value: int) -> dict[str, object]:
    return {"content": [value], "shape": [1]}


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
