"""Reads the server's responses into frozen results: pure functions, shared by both clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any

import numpy as np
from PIL import Image

from vitrine.errors import VitrineError
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors
from vitrine.pictures import Picture, decode_picture


@dataclass(frozen=True)
class TryOn:
    """A finished try-on, with the server's report on how it was computed."""

    image: Image.Image  # the person in the garment, RGB
    mask: Image.Image  # the repainted region: mode L, 255 inside, the size of the person picture
    seed: int  # gives the same picture again
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]  # person, garment, text: "fresh", "memory", "disk" or "store"
    report: Mapping[str, Any]  # the whole report of the server, such as steps and pipeline_digest
    encoded: bytes  # the picture as the server encoded it


@dataclass(frozen=True)
class DrawnPicture:
    """One picture of a request."""

    image: Image.Image  # RGB
    seed: int  # gives the same picture again
    encoded: bytes  # the picture as the server encoded it


@dataclass(frozen=True)
class Drawn:
    """Pictures made from a prompt, with the server's report on how they were computed."""

    pictures: tuple[DrawnPicture, ...]  # as many as the request's `n`, at least one
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]  # prompt: "fresh", "memory", "disk" or "store"
    report: Mapping[str, Any]  # the whole report of the server, such as steps and pipeline_digest

    @property
    def image(self) -> Image.Image:
        """The first picture."""
        return self.pictures[0].image

    @property
    def seed(self) -> int:
        """The first picture's seed."""
        return self.pictures[0].seed

    @property
    def encoded(self) -> bytes:
        """The first picture as the server encoded it."""
        return self.pictures[0].encoded


@dataclass(frozen=True)
class Progress:
    """How far a streamed request is."""

    step: int  # steps done
    steps: int  # steps in all
    elapsed_s: float
    left_s: float | None  # the server's estimate
    preview: Image.Image | None = None
    job: int = 0  # the garment or the picture, from 0, whose step was done and which the preview shows
    node: str = ""  # of a workflow: the id of the node that began or ended
    status: str = ""  # of that node: "running", "done", "reused", "failed" or "not run"
    stage: str = ""  # the model that has just done something, where a request calls several


@dataclass(frozen=True)
class Prepared:
    """A person, garment or text that is ready for try-ons, and now in the server's cache."""

    key: str  # its cache key
    tensors: Tensors  # read-only; names, shapes and dtypes are those of the model's outputs
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]


@dataclass(frozen=True)
class CacheStatistics:
    """Counters of a server's caches since its models were loaded, summed over its processes.

    A rate is a share of all requests. `numbers` maps names to figures: the fields of this class, other events
    (docs/cache.md), and `{part}_entries` and `{part}_bytes` for each part of the memory and of the disk.
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
    """The outcome of one garment of `try_on_many`: a result or an error."""

    index: int  # place in `garments`
    garment: Picture
    result: TryOn | None
    error: VitrineError | None = None

    def get(self) -> TryOn:
        """Return the result; raise the garment's error if there is none."""
        if self.result is None:
            raise self.error or VitrineError("no result")
        return self.result


def read_result(outputs: Tensors) -> TryOn:
    """Read the outputs of `try_on`, or the last response of `try_on_stream`.

    Raises VitrineError for outputs that are missing or damaged.
    """
    report = read_report(outputs)
    encoded = read_bytes(outputs, "image")
    return TryOn(
        image=decode_picture(encoded, "image"),
        mask=decode_picture(read_bytes(outputs, "mask"), "mask"),
        seed=int(_tensor(outputs, "seed").flat[0]),
        timings=read_part(report, "timings"),
        sources=read_part(report, "sources"),
        report=FrozenDict(report),
        encoded=encoded,
    )


def read_drawn(outputs: Tensors) -> Drawn:
    """Read the outputs of `text_to_image` or `image_to_image`, or the last response of `picture_stream`.

    Raises VitrineError for outputs that are missing or damaged.
    """
    report = read_report(outputs)
    files, seeds = _tensor(outputs, "image").reshape(-1), _tensor(outputs, "seed").reshape(-1)
    if len(files) != len(seeds):
        raise VitrineError(f"the server's answer has {len(files)} pictures and {len(seeds)} seeds")
    return Drawn(
        pictures=tuple(
            DrawnPicture(decode_picture(file, "image"), int(seed), file)
            for file, seed in zip(map(_as_bytes, files), seeds, strict=True)
        ),
        timings=read_part(report, "timings"),
        sources=read_part(report, "sources"),
        report=FrozenDict(report),
    )


def read_event(outputs: Tensors) -> Progress | TryOn:
    """Read one response of `try_on_stream`; raises VitrineError for an event that cannot be read."""
    return read_event_progress(outputs) or read_result(outputs)


def read_picture_event(outputs: Tensors) -> Progress | Drawn:
    """Read one response of `picture_stream`; raises VitrineError for an event that cannot be read."""
    return read_event_progress(outputs) or read_drawn(outputs)


def read_event_progress(outputs: Tensors) -> Progress | None:
    """Read one response of a stream; None for the last one, which has the result."""
    event = _json(outputs, "event")
    return None if event.get("kind") == "result" else _progress(event, outputs)


def _progress(event: Mapping[str, Any], outputs: Tensors) -> Progress:
    preview = decode_picture(read_bytes(outputs, "image"), "image") if "image" in outputs else None
    left_s = event.get("left_s")
    try:
        return Progress(
            step=int(event["step"]),
            steps=int(event["steps"]),
            elapsed_s=float(event["elapsed_s"]),
            left_s=None if left_s is None else float(left_s),
            preview=preview,
            job=int(event.get("job", 0)),
            node=str(event.get("node", {}).get("name", "")),
            status=str(event.get("node", {}).get("status", "")),
            stage=str(event.get("stage", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VitrineError(f"the server's event cannot be read: {error!r}") from error


def read_prepared(outputs: Tensors) -> Prepared:
    """Read the outputs of `prepare_person`, `prepare_garment` or `prepare_text`."""
    report = read_report(outputs)
    keys = [name for name in outputs if name.endswith("_key")]
    if len(keys) != 1:
        raise VitrineError(f"the server's answer must hold one key, got {keys}")
    tensors = {name: tensor for name, tensor in outputs.items() if name not in (keys[0], "report")}
    for tensor in tensors.values():
        tensor.setflags(write=False)
    return Prepared(
        key=read_text(outputs, keys[0]),
        tensors=FrozenDict(tensors),
        timings=read_part(report, "timings"),
        sources=read_part(report, "sources"),
    )


def read_pipeline_digest(outputs: Tensors) -> str:
    """Read the digest of everything that shapes the server's pictures from a report that has it."""
    digest = read_report(outputs).get("pipeline_digest")
    if not isinstance(digest, str) or not digest:
        raise VitrineError(
            "the server's report lacks 'pipeline_digest': its version is too old for kept results"
        )
    return digest


def read_cache_statistics(outputs: Tensors) -> CacheStatistics:
    """Read the response of `cache_control` to the action "stats"."""
    numbers = _json(outputs, "answer")
    named = [field.name for field in fields(CacheStatistics) if field.name != "numbers"]
    if missing := [name for name in named if name not in numbers]:
        raise VitrineError(f"the server's cache statistics lack {', '.join(missing)}")
    return CacheStatistics(**{name: numbers[name] for name in named}, numbers=FrozenDict(numbers))


def read_report(outputs: Tensors) -> dict[str, Any]:
    """Read the output `report`, a JSON object."""
    return _json(outputs, "report")


def read_part(report: Mapping[str, Any], name: str) -> FrozenDict[str, Any]:
    """Return an object of a report by name, such as "timings"; an empty one where it has none."""
    found = report.get(name)
    if not isinstance(found, dict | NoneType):
        raise VitrineError(f"the server's report must have an object as {name}, got {str(found)[:40]}")
    return FrozenDict(found or {})


def read_text(outputs: Tensors, name: str) -> str:
    """Read an output of one text."""
    try:
        return read_bytes(outputs, name).decode()
    except UnicodeDecodeError as error:
        raise VitrineError(f"{name}: the server's answer is not UTF-8") from error


def _json(outputs: Tensors, name: str) -> dict[str, Any]:
    try:
        value = json.loads(read_bytes(outputs, name))
    except (ValueError, RecursionError) as error:
        raise VitrineError(f"{name}: the server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise VitrineError(f"{name}: the server's answer is not a JSON object")
    return value


def read_bytes(outputs: Tensors, name: str) -> bytes:
    """Read the first element of an output; VitrineError where there is none."""
    return _as_bytes(_tensor(outputs, name).flat[0])


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _tensor(outputs: Tensors, name: str) -> np.ndarray:
    tensor = outputs.get(name)
    if tensor is None or tensor.size == 0:
        raise VitrineError(f"the server's answer lacks {name!r}; it has {sorted(outputs)}")
    return tensor
