"""The pipelines that the gateway serves: one row each.

To add a pipeline, write a model of its options, a function that runs it with the client, and a row here and
in `credits.prices.PRICES`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from vitrine import AsyncVitrine, Drawn, Progress, VitrineError
from vitrine.statuses import ModelStatus

from vitrine_gateway.jobs.ad_pipeline import MAX_PRODUCTS, AdOptions, run_ad
from vitrine_gateway.jobs.fields import NUMBER, Category, Format, Prompt, Sentence, Side
from vitrine_gateway.jobs.made import Inputs, Made, facts_of, media_type
from vitrine_gateway.jobs.text_pipeline import DescriptionOptions, TextOptions, run_description, run_text

MAX_GARMENTS = 16
MAX_SCORED = 16


@dataclass(frozen=True)
class Pipeline:
    """One pipeline. `pictures` gives for each input the most pictures that it takes."""

    model: str  # the server's model that must be loaded
    options: type[BaseModel]
    pictures: Mapping[str, int]
    needs: tuple[str, ...]  # the inputs without which it cannot run
    run: Callable[[AsyncVitrine, Inputs, float], AsyncGenerator[Progress | Made, None]]
    each: str | None = None  # the input of which each job of a batch gets one; None: no batches
    of_each: tuple[str, ...] = ()  # pictures, and options that may be lists, which go with it


class TryOnOptions(BaseModel):
    """The options of a try-on; an omitted one has the server's default (docs/calling.md)."""

    model_config = ConfigDict(extra="forbid")

    category: Category | Annotated[list[Category], Field(max_length=MAX_GARMENTS)] | None = None
    description: Sentence | Annotated[list[Sentence], Field(max_length=MAX_GARMENTS)] | None = None
    steps: Annotated[int, Field(ge=1, le=100), NUMBER] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64), NUMBER] | None = None
    guidance: Annotated[float, Field(ge=0, le=20), NUMBER] | None = None
    paste_back: bool | None = None
    crop: Literal["fit", "crop", "squash"] | None = None
    format: Format | None = None
    scheduler: Literal["checkpoint", "ddpm", "ddim", "euler"] | None = None
    person_index: Annotated[int, Field(ge=0, lt=1000), NUMBER] | None = None
    previews: bool | None = None


class PictureOptions(BaseModel):
    """The options of a picture from a prompt; an omitted one has the server's default (docs/calling.md)."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    negative_prompt: Prompt | None = None
    width: Side | None = None
    height: Side | None = None
    aspect_ratio: Annotated[str, Field(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    steps: Annotated[int, Field(ge=1, le=100), NUMBER] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64), NUMBER] | None = None
    guidance: Annotated[float, Field(ge=0, le=20), NUMBER] | None = None
    scheduler: Literal["checkpoint", "flow"] | None = None
    format: Format | None = None
    previews: bool | None = None

    @model_validator(mode="after")
    def _one_size(self) -> PictureOptions:
        given = [name for name in ("width", "height") if getattr(self, name) is not None]
        if given and self.aspect_ratio is not None:
            raise ValueError(f"aspect_ratio must not be given together with {given[0]}")
        if len(given) == 1:
            raise ValueError(f"width and height must be given together, got {given[0]} only")
        return self


class ChangeOptions(PictureOptions):
    """The options of a picture from a picture and a prompt."""

    strength: Annotated[float, Field(gt=0, le=1), NUMBER] | None = None


class CutOutOptions(BaseModel):
    """The options of a cut-out."""

    model_config = ConfigDict(extra="forbid")

    box: Annotated[list[Annotated[int, NUMBER]], Field(min_length=4, max_length=4)] | None = None
    format: Literal["png", "webp"] | None = None


class ScoreOptions(BaseModel):
    """The options of a score: each prompt is compared with each picture."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt | Annotated[list[Prompt], Field(min_length=1, max_length=MAX_SCORED)]


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
            facts = {"seed": event.seed, "sources": dict(event.sources)}
            facts |= facts_of(event.image, event.timings, event.report)
            yield Made(event.encoded, media_type(named), facts)
            return
    raise VitrineError("the stream ended before its result")


async def run_picture(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the progress of a picture of a prompt, or of a picture and a prompt; then the picture."""
    named: dict[str, Any] = dict(inputs.options)
    if pictures := inputs.pictures.get("image"):
        named["image"] = pictures[0]
    async with aclosing(vitrine.picture_stream(timeout_s=timeout_s, **named)) as events:
        async for event in events:
            yield event if isinstance(event, Progress) else _drawn(event, named)


async def run_cut_out(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the product of a picture on a transparent ground."""
    named: dict[str, Any] = dict(inputs.options)
    cut = await vitrine.cut_out(inputs.pictures["image"][0], timeout_s=timeout_s, **named)
    yield Made(cut.encoded, media_type(named), facts_of(cut.image, cut.timings, cut.report))


async def run_score(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield how well each picture fits each prompt; there is no picture."""
    prompt = inputs.options["prompt"]
    scores = await vitrine.score(picture=inputs.pictures["image"], prompt=prompt, timeout_s=timeout_s)
    variants = {name: rows.tolist() for name, rows in scores.variants.items()}
    facts = {
        "model": scores.model,
        "prompts": [asdict(one) for one in scores.prompts],
        "cosine": [[round(float(one), 6) for one in row] for row in scores.cosine],
        **variants,
        "versions": scores.report.get("versions", {}),
        "pipeline_digest": scores.report.get("pipeline_digest"),
    }
    yield Made(None, "", facts)


def _drawn(drawn: Drawn, named: Mapping[str, Any]) -> Made:
    facts = {"seed": drawn.seed, **facts_of(drawn.image, drawn.timings, drawn.report)}
    return Made(drawn.encoded, media_type(named), facts)


PIPELINES: dict[str, Pipeline] = {
    "try_on": Pipeline(
        "try_on_stream",
        TryOnOptions,
        {"person": 1, "garment": MAX_GARMENTS, "mask": MAX_GARMENTS},
        ("person", "garment"),
        run_try_on,
        "garment",
        ("mask", "category", "description"),
    ),
    "text_to_image": Pipeline("picture_stream", PictureOptions, {}, (), run_picture),
    "image_to_image": Pipeline(
        "picture_stream", ChangeOptions, {"image": 1}, ("image",), run_picture, "image"
    ),
    "product_ad": Pipeline(
        "product_ad_stream",
        AdOptions,
        {"product": MAX_PRODUCTS, "scene": 1},
        ("product",),
        run_ad,
        "product",
    ),
    "text_overlay": Pipeline(
        "text_overlay",
        TextOptions,
        {"image": 1, "keep_clear": 1},
        ("image",),
        run_text,
        "image",
        ("keep_clear",),
    ),
    "picture_description": Pipeline(
        "text_overlay",
        DescriptionOptions,
        {"image": 1, "keep_clear": 1},
        ("image",),
        run_description,
    ),
    "cut_out": Pipeline("cut_out", CutOutOptions, {"image": 1}, ("image",), run_cut_out, "image"),
    "score": Pipeline("score", ScoreOptions, {"image": MAX_SCORED}, ("image",), run_score),
}


def served_pipelines(models: Iterable[ModelStatus]) -> dict[str, bool]:
    """Return for each pipeline whether its model is among the loaded ones."""
    ready = {model.name for model in models if model.ready}
    return {name: pipeline.model in ready for name, pipeline in PIPELINES.items()}
