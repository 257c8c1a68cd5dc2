"""Advertisements with products as jobs: options, and how the client is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from vitrine import AsyncVitrine, Progress

from vitrine_gateway.jobs.fields import NUMBER, Format, Name, Prompt, Sentence
from vitrine_gateway.jobs.made import Inputs, Made, facts_of, media_type
from vitrine_gateway.jobs.text_pipeline import TextFields

MAX_PRODUCTS, MAX_AD_TEXTS = 8, 8  # of one advertisement


class Placement(BaseModel):
    """Where one product of an advertisement stands, in shares of the scene; what is omitted is found."""

    model_config = ConfigDict(extra="forbid")

    x: Annotated[float, Field(ge=-0.5, le=1.5), NUMBER] | None = None  # its middle, from the left
    y: Annotated[float, Field(ge=0, le=2), NUMBER] | None = None  # its base line, from the top
    scale: Annotated[float, Field(ge=0.01, le=2), NUMBER] | None = None  # its height
    height_cm: Annotated[float, Field(ge=0.1, le=10_000), NUMBER] | None = None
    order: Annotated[int, Field(ge=-100, le=100), NUMBER] | None = None


class AdOptions(BaseModel):
    """The options of an advertisement; an omitted one has the server's default (docs/product-ads.md).

    A form says one or several `text`s; JSON may say every field of each in `texts` (docs/text.md).
    """

    model_config = ConfigDict(extra="forbid")

    sentence: Sentence | None = None
    prompt: Prompt | None = None
    trade: Name | None = None
    style: Name | None = None
    theme: Name | None = None
    text: Sentence | Annotated[list[Sentence], Field(max_length=MAX_AD_TEXTS)] | None = None
    texts: Annotated[list[TextFields], Field(min_length=1, max_length=MAX_AD_TEXTS)] | None = None
    aspect_ratio: Annotated[str, Field(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    enlarge: Annotated[int, Field(ge=1, le=8), NUMBER] | None = None
    placements: Annotated[list[Placement], Field(max_length=MAX_PRODUCTS)] | None = None
    shadow: Literal["cast", "contact", "floating", "none"] | None = None
    match: Annotated[float, Field(ge=0, le=1), NUMBER] | None = None
    steps: Annotated[int, Field(ge=1, le=100), NUMBER] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64), NUMBER] | None = None
    format: Format | None = None
    previews: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> AdOptions:
        if self.text is not None and self.texts is not None:
            raise ValueError("text and texts must not both be given")
        return self


async def run_ad(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the progress of an advertisement with all products, then its picture."""
    given = {name: value for name, value in inputs.options.items() if value is not None}
    settings: Any = {name: given.pop(name) for name in ("placements", "shadow", "match") if name in given}
    named: dict[str, Any] = {**given, "product": inputs.pictures["product"], "settings": settings or None}
    for name, called in (("text", "texts"), ("aspect_ratio", "sizes")):
        if name in named:
            named[called] = named.pop(name)
    if scenes := inputs.pictures.get("scene"):
        named["scene"] = scenes[0]
    async with aclosing(vitrine.product_ad_stream(timeout_s=timeout_s, **named)) as events:
        async for event in events:
            if isinstance(event, Progress):
                yield event
                continue
            facts = {"seed": event.seed, **_of_ad(event.report)}
            facts |= facts_of(event.image, event.timings, event.report)
            yield Made(event.encoded, media_type(named), facts)


def _of_ad(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scene's prompt, from which the same seed draws it again, and where the products stand."""
    products = report["ads"][0].get("composition", {}).get("products", [])
    told = {"prompt": report.get("prompt"), "placements": [one["placement"] for one in products]}
    return {name: value for name, value in told.items() if value}
