"""The pipelines that the gateway serves: one row each.

To add a pipeline, write a model of its options, a function that runs it with the client, and a row here and
in `credits.prices.PRICES`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from vitrine import AsyncVitrine, Progress, VitrineError

MAX_GARMENTS = 16
Text = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Category = Literal["upper_body", "lower_body", "dresses"]


@dataclass(frozen=True)
class Made:
    """A finished picture and what is told about it."""

    content: bytes
    media_type: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """What a pipeline gets: options, pictures by input name, and names of persons and garments."""

    options: Mapping[str, Any]
    pictures: Mapping[str, list[bytes]]
    person_id: str | None = None  # the person's name in the server's caches
    garment_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pipeline:
    """One pipeline. `pictures` gives for each input the most pictures that it takes."""

    options: type[BaseModel]
    pictures: Mapping[str, int]
    run: Callable[[AsyncVitrine, Inputs, float], AsyncGenerator[Progress | Made, None]]


class TryOnOptions(BaseModel):
    """The options of a try-on; an omitted one has the server's default (docs/calling.md)."""

    model_config = ConfigDict(extra="forbid")

    category: Category | Annotated[list[Category], Field(max_length=MAX_GARMENTS)] | None = None
    description: Text | Annotated[list[Text], Field(max_length=MAX_GARMENTS)] | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None
    guidance: Annotated[float, Field(ge=0, le=20)] | None = None
    paste_back: bool | None = None
    crop: Literal["fit", "crop", "squash"] | None = None
    format: Literal["png", "jpeg", "webp"] | None = None
    scheduler: Literal["checkpoint", "ddpm", "ddim", "euler"] | None = None
    person_index: Annotated[int, Field(ge=0, lt=1000)] | None = None


async def run_try_on(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the progress of a try-on, then its picture. Closing the generator frees the denoiser's row."""
    named: dict[str, Any] = dict(inputs.options)
    if inputs.person_id is not None:
        named["person_id"] = inputs.person_id
    if inputs.garment_ids:
        named["garment_id"] = inputs.garment_ids
    for name, single in (("person", True), ("garment", False), ("mask", False)):
        if pictures := inputs.pictures.get(name):
            named[name] = pictures[0] if single else pictures
    async with aclosing(vitrine.try_on_stream(timeout_s=timeout_s, **named)) as events:
        async for event in events:
            if isinstance(event, Progress):
                yield event
                continue
            facts = {
                "seed": event.seed,
                "width": event.image.width,
                "height": event.image.height,
                "timings": dict(event.timings),
                "sources": dict(event.sources),
                "versions": event.report.get("versions", {}),
                "pipeline_digest": event.report.get("pipeline_digest"),
            }
            yield Made(event.encoded, f"image/{named.get('format') or 'png'}", facts)
            return
    raise VitrineError("the stream ended before its result")


PIPELINES: dict[str, Pipeline] = {
    "try_on": Pipeline(
        TryOnOptions, {"person": 1, "garment": MAX_GARMENTS, "mask": MAX_GARMENTS}, run_try_on
    ),
}
