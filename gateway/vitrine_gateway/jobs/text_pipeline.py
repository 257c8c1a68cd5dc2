"""Text on a picture, and what a picture offers for texts, as jobs: options, and how the client is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from vitrine import AsyncVitrine, Progress

from vitrine_gateway.jobs.fields import NUMBER, Format
from vitrine_gateway.jobs.made import Inputs, Made, facts_of, media_type

MAX_TEXTS = 16
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
TextFields = Text | dict[str, JsonValue]
"""A text, or one with all its fields (docs/text.md), which the server checks."""


class TextOptions(BaseModel):
    """The options of text on a picture; an omitted one has the server's default (docs/text.md).

    A form says one or several `text`s with the same fields; JSON may say every field of each in `texts`.
    """

    model_config = ConfigDict(extra="forbid")

    text: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    texts: Annotated[list[TextFields], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    html: Annotated[str, Field(min_length=1, max_length=100_000)] | None = None
    template: Word | None = None
    subline: Text | None = None
    accent: Word | None = None
    anchor: Word | None = None
    candidates: Literal["model"] | None = None
    size: Annotated[int, Field(ge=6, le=2000), NUMBER] | None = None
    font: Word | None = None
    weight: Literal["regular", "bold"] | None = None
    colour: Word | None = None
    language: Word | None = None
    contrast: Literal["auto", "scrim", "outline", "off"] | None = None
    vertical: bool | None = None
    format: Format | None = None

    @model_validator(mode="after")
    def _one_way(self) -> TextOptions:
        given = [name for name in ("text", "texts", "html") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one of text, texts and html must be given, got {', '.join(given) or 'none'}")
        return self


async def run_text(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the picture with its texts, and how each was set."""
    given: dict[str, Any] = {name: value for name, value in inputs.options.items() if value is not None}
    kind = given.pop("format", None)
    texts, html, listed = given.pop("text", []), given.pop("html", None), given.pop("texts", [])
    shared = [{"text": one, **given} for one in ([texts] if isinstance(texts, str) else texts)]
    if html is not None:
        shared.append({"html": html, **given})
    whole = [{"text": one} if isinstance(one, str) else one for one in listed]
    sent: list[Any] = [*shared, *({**given, **one} for one in whole)]
    made = await vitrine.text_overlay(
        inputs.pictures["image"][0],
        sent,
        keep_clear=next(iter(inputs.pictures.get("keep_clear", [])), None),
        format=kind,
        timeout_s=timeout_s,
    )
    facts = {"texts": [dict(one) for one in made.texts]}
    facts |= facts_of(made.image, made.timings, made.report)
    yield Made(made.encoded, media_type({"format": kind}), facts)


class DescriptionOptions(BaseModel):
    """The description of a picture has no options."""

    model_config = ConfigDict(extra="forbid")


async def run_description(
    vitrine: AsyncVitrine, inputs: Inputs, timeout_s: float
) -> AsyncGenerator[Progress | Made, None]:
    """Yield the size, colours and free places of a picture (docs/text.md); there is no new picture."""
    keep_clear = next(iter(inputs.pictures.get("keep_clear", [])), None)
    found = await vitrine.describe(inputs.pictures["image"][0], keep_clear=keep_clear, timeout_s=timeout_s)
    yield Made(None, "", {**(found.picture or {}), "timings": dict(found.timings)})
