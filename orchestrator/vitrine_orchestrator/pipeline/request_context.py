"""The request context of every pipeline (stages, limits, memo), and the reports of its stages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.pictures import Limits, Picture, checked, decode
from vitrine_orchestrator.pipeline.memo import Memo, NoMemo, Source
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, pictures, text

Result = TypeVar("Result")
INLINE_BYTES = 2**18  # smaller raw pictures are resized faster than a hand-off to a thread takes


@dataclass(frozen=True)
class Context:
    """The request context of a pipeline; in Triton, in the scores and in tests alike."""

    stages: Stages
    manifest: Manifest
    memo: Memo = field(default_factory=NoMemo)
    limits: Limits = field(default_factory=Limits)
    lora_folder: Path | None = None  # the registry of adapters

    @property
    def origin(self) -> dict[str, object]:
        """The versions in every report: release, checkpoint, exporter, and the digest of the pipeline."""
        manifest = self.manifest
        return {
            "versions": {
                "release": str(manifest.version),
                "checkpoint": manifest.digest[:12],
                "exporter": manifest.exporter,
            },
            "pipeline_digest": manifest.pipeline_digest,
        }


@dataclass(frozen=True)
class PlainContext:
    """The request context of a pipeline that reads no checkpoint."""

    stages: Stages
    limits: Limits = field(default_factory=Limits)
    repository: Path | None = None  # the model repository, to say which releases it holds
    lora_folder: Path | None = None  # the registry of adapters


def one_picture(inputs: Inputs, name: str, limits: Limits) -> Picture | None:
    """The picture in `name` (encoded) or `name`_raw (HWC uint8 RGB); None when both are absent."""
    sent = pictures(inputs, name)
    raw = inputs.get(f"{name}_raw")
    if sent and raw is not None:
        raise BadRequest(f"{name} and {name}_raw must not both be given")
    if len(sent) > 1:
        raise BadRequest(f"{name} must be one picture, got {len(sent)}")
    if raw is not None:
        return checked(raw, f"{name}_raw", limits)
    return decode(sent[0], name, limits) if sent else None


async def read_aside(read: Callable[[], Result], inputs: Inputs) -> Result:
    """Call `read` for a request's inputs; in another thread when its pictures may take long to decode.

    Small inputs are read inline: two thread switches cost as much as the rest of an id-only request.
    """
    small = all(array.dtype != np.object_ and array.nbytes <= INLINE_BYTES for array in pictures_of(inputs))
    return read() if small else await asyncio.to_thread(read)


def pictures_of(inputs: Inputs) -> list[np.ndarray]:
    """The picture inputs of a request, encoded and raw."""
    names = (
        *("person", "person_raw", "garment", "garment_raw", "mask", "image", "image_raw"),
        *("scene", "scene_raw", "product"),
    )
    return [inputs[name] for name in names if name in inputs]


def picture_digest(picture: Picture) -> str:
    """Hexadecimal SHA-256 of a picture's size and pixels."""
    hashed = hashlib.sha256(repr(picture.shape).encode())
    hashed.update(np.ascontiguousarray(picture).data)
    return hashed.hexdigest()


def sent_digest(inputs: Inputs, name: str, picture: Picture | None) -> str | None:
    """Digest of the picture that was sent with an id; None without a picture or an id.

    A pipeline that sends a picture already fitted gives the original's digest in `NAME_digest`.
    """
    if picture is None or text(inputs, f"{name}_id", MAX_NAME) is None:
        return None
    given = text(inputs, f"{name}_digest", MAX_NAME)
    if given is not None and not re.fullmatch("[0-9a-f]{64}", given):
        raise BadRequest(f"{name}_digest must be 64 hexadecimal digits, got {given[:70]!r}")
    return given or picture_digest(picture)


def text_array(text: str | bytes) -> np.ndarray:
    """A BYTES tensor of one element."""
    return np.array([text.encode() if isinstance(text, str) else text], np.object_)


def number_array(value: float, dtype: type[np.generic]) -> np.ndarray:
    """A tensor of one number."""
    return np.array([value], dtype)


def report_array(timings: Mapping[str, float], sources: Mapping[str, Source], **more: object) -> np.ndarray:
    """The output `report`: JSON of seconds by stage, and the source of each prepared part."""
    return text_array(json.dumps({"timings": dict(timings), "sources": dict(sources), **more}))


def read_report(outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The report in a model's outputs."""
    return json.loads(outputs["report"].reshape(-1)[0])
