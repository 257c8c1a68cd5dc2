"""The pipelines that the gateway serves: one row each.

To add a pipeline, write a model of its options, a function that runs it with the client, and a row here and
in `credits.prices.PRICES`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from vitrine import AsyncVitrine, Drawn, Progress, VitrineError
from vitrine.statuses import ModelStatus

MAX_GARMENTS = 16
Text = Annotated[str, Field(max_length=1000)]
Prompt = Annotated[str, Field(min_length=1, max_length=10_000)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=16)]
Format = Literal["png", "jpeg", "webp"]
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

    model: str  # the server's model that must be loaded
    options: type[BaseModel]
    pictures: Mapping[str, int]
    needs: tuple[str, ...]  # the inputs without which it cannot run
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
    format: Format | None = None
    scheduler: Literal["checkpoint", "ddpm", "ddim", "euler"] | None = None
    person_index: Annotated[int, Field(ge=0, lt=1000)] | None = None


class PictureOptions(BaseModel):
    """The options of a picture from a prompt; an omitted one has the server's default (docs/calling.md)."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    negative_prompt: Prompt | None = None
    width: Side | None = None
    height: Side | None = None
    aspect_ratio: Annotated[str, Field(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None
    guidance: Annotated[float, Field(ge=0, le=20)] | None = None
    scheduler: Literal["checkpoint", "flow"] | None = None
    format: Format | None = None


class ChangeOptions(PictureOptions):
    """The options of a picture from a picture and a prompt."""

    strength: Annotated[float, Field(gt=0, le=1)] | None = None


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


async def run_text_to_image(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the picture of a prompt."""
    named: dict[str, Any] = dict(inputs.options)
    yield _drawn(await vitrine.text_to_image(timeout_s=timeout_s, **named), named)


async def run_image_to_image(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the picture that was changed as a prompt says."""
    named: dict[str, Any] = {**inputs.options, "image": inputs.pictures["image"][0]}
    yield _drawn(await vitrine.image_to_image(timeout_s=timeout_s, **named), named)


def _drawn(drawn: Drawn, named: Mapping[str, Any]) -> Made:
    facts = {
        "seed": drawn.seed,
        "width": drawn.image.width,
        "height": drawn.image.height,
        "timings": dict(drawn.timings),
        "versions": drawn.report.get("versions", {}),
        "pipeline_digest": drawn.report.get("pipeline_digest"),
    }
    return Made(drawn.encoded, f"image/{named.get('format') or 'png'}", facts)


PIPELINES: dict[str, Pipeline] = {
    "try_on": Pipeline(
        "try_on_stream",
        TryOnOptions,
        {"person": 1, "garment": MAX_GARMENTS, "mask": MAX_GARMENTS},
        ("person", "garment"),
        run_try_on,
    ),
    "text_to_image": Pipeline("text_to_image", PictureOptions, {}, (), run_text_to_image),
    "image_to_image": Pipeline("image_to_image", ChangeOptions, {"image": 1}, ("image",), run_image_to_image),
}


def served_pipelines(models: Iterable[ModelStatus]) -> dict[str, bool]:
    """Return for each pipeline whether its model is among the loaded ones."""
    ready = {model.name for model in models if model.ready}
    return {name: pipeline.model in ready for name, pipeline in PIPELINES.items()}
