"""What the server answers, read into frozen results: pure, and shared by the sync and the async client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from vitrine.errors import VitrineError
from vitrine.inputs import Tensors
from vitrine.pictures import Picture, decode_picture


@dataclass(frozen=True)
class TryOn:
    """A finished try-on, and how it came about."""

    image: Image.Image  # the person in the garment, RGB
    mask: Image.Image  # what was painted anew: mode L, 255 inside, the person picture's size
    seed: int  # gives the same picture again
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]  # person, garment, text: "fresh", "memory", "disk" or "store"
    report: Mapping[str, Any]  # all that the server reports, steps and pipeline_digest among it
    encoded: bytes  # the picture as the server encoded it


@dataclass(frozen=True)
class Progress:
    """How far a streamed try-on is."""

    step: int  # steps done
    steps: int  # steps in all
    elapsed_s: float
    left_s: float | None  # the server's estimate
    preview: Image.Image | None = None


@dataclass(frozen=True)
class Prepared:
    """A person, garment or text that is ready for try-ons, and now in the server's cache."""

    key: str  # its cache key
    tensors: Tensors  # read-only; names, shapes and dtypes are those of the model's outputs
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]


@dataclass(frozen=True)
class CacheStatistics:
    """What a server's caches did since its models' start, all its processes together, and what they hold.

    A rate is a share of all requests. `numbers` has every figure by name: the fields here, other events
    (docs/cache.md), and for each part of the memory and the disk its `{part}_entries` and `{part}_bytes`.
    """

    total_requests: int
    l1_hits: int  # memory
    l2_hits: int  # disk
    l3_hits: int  # object store
    misses: int
    evictions: int
    l1_hit_rate: float
    l2_hit_rate: float
    l3_hit_rate: float
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Fitting:
    """One garment of `try_on_many`: a result, or the error that this garment met."""

    index: int  # place in `garments`
    garment: Picture
    result: TryOn | None
    error: VitrineError | None = None

    def get(self) -> TryOn:
        """The result; raises the garment's error where there is none."""
        if self.result is None:
            raise self.error or VitrineError("no result")
        return self.result


def read_result(outputs: Tensors) -> TryOn:
    """The outputs of `try_on`, and the last response of `try_on_stream`."""
    report = read_report(outputs)
    encoded = _bytes(outputs, "image")
    return TryOn(
        image=decode_picture(encoded, "image"),
        mask=decode_picture(_bytes(outputs, "mask"), "mask"),
        seed=int(_tensor(outputs, "seed").flat[0]),
        timings=MappingProxyType(report.get("timings", {})),
        sources=MappingProxyType(report.get("sources", {})),
        report=MappingProxyType(report),
        encoded=encoded,
    )


def read_event(outputs: Tensors) -> Progress | TryOn:
    """One response of `try_on_stream`."""
    event = _json(outputs, "event")
    if event.get("kind") == "result":
        return read_result(outputs)
    preview = decode_picture(_bytes(outputs, "image"), "image") if "image" in outputs else None
    left_s = event.get("left_s")
    try:
        return Progress(
            step=int(event["step"]),
            steps=int(event["steps"]),
            elapsed_s=float(event["elapsed_s"]),
            left_s=None if left_s is None else float(left_s),
            preview=preview,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VitrineError(f"the server's event cannot be read: {error!r}") from error


def read_prepared(outputs: Tensors) -> Prepared:
    """The outputs of `prepare_person`, `prepare_garment` or `prepare_text`."""
    report = read_report(outputs)
    keys = [name for name in outputs if name.endswith("_key")]
    if len(keys) != 1:
        raise VitrineError(f"the server's answer must hold one key, got {keys}")
    tensors = {name: tensor for name, tensor in outputs.items() if name not in (keys[0], "report")}
    for tensor in tensors.values():
        tensor.setflags(write=False)
    return Prepared(
        key=_bytes(outputs, keys[0]).decode(),
        tensors=MappingProxyType(tensors),
        timings=MappingProxyType(report.get("timings", {})),
        sources=MappingProxyType(report.get("sources", {})),
    )


def read_pipeline_digest(outputs: Tensors) -> str:
    """The digest of all that the server makes pictures with, from any report that tells it."""
    digest = read_report(outputs).get("pipeline_digest")
    if not isinstance(digest, str) or not digest:
        raise VitrineError(
            "the server's report lacks 'pipeline_digest': its version is too old for kept results"
        )
    return digest


def read_cache_statistics(outputs: Tensors) -> CacheStatistics:
    """The answer of `cache_control` to the action "stats"."""
    numbers = _json(outputs, "answer")
    named = [field.name for field in fields(CacheStatistics) if field.name != "numbers"]
    if missing := [name for name in named if name not in numbers]:
        raise VitrineError(f"the server's cache statistics lack {', '.join(missing)}")
    return CacheStatistics(**{name: numbers[name] for name in named}, numbers=MappingProxyType(numbers))


def read_report(outputs: Tensors) -> dict[str, Any]:
    """The output `report`: a JSON object."""
    return _json(outputs, "report")


def _json(outputs: Tensors, name: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(outputs, name))
    except ValueError as error:
        raise VitrineError(f"{name}: the server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise VitrineError(f"{name}: the server's answer is not a JSON object")
    return value


def _bytes(outputs: Tensors, name: str) -> bytes:
    value = _tensor(outputs, name).flat[0]
    return value if isinstance(value, bytes) else str(value).encode()


def _tensor(outputs: Tensors, name: str) -> np.ndarray:
    tensor = outputs.get(name)
    if tensor is None or tensor.size == 0:
        raise VitrineError(f"the server's answer lacks {name!r}; it has {sorted(outputs)}")
    return tensor
