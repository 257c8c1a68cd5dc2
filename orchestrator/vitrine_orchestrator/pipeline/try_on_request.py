"""Reads a try-on request and checks all its limits before any work is done."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

from vitrine.errors import BadRequest

from vitrine_orchestrator.images.fitting import FITS, Fit
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.pictures import SAVING, Format, Limits, Picture, check_sides, checked, decode
from vitrine_orchestrator.pipeline.request_context import one_picture, sent_digest
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_NAME,
    MAX_SEED,
    MAX_STEPS,
    Inputs,
    as_text,
    flag,
    number,
    one_of,
    pictures,
    text,
    texts,
    word,
)

MAX_GARMENTS = 4  # in one request
PhotoType = Literal["auto", "flat-lay", "model"]
PHOTO_TYPES: tuple[PhotoType, ...] = ("auto", "flat-lay", "model")
"""A garment's photograph shows the garment alone, or somebody who wears it; "auto" looks for a person."""
MAX_PEOPLE = 32  # person_index is less than this
SCHEDULERS = ("checkpoint", "ddpm", "ddim", "euler")
Value = TypeVar("Value", str, bytes)
DESCRIPTIONS: dict[Category, str] = {  # used when the caller gives no description
    "upper_body": "a shirt",
    "lower_body": "trousers",
    "dresses": "a dress",
}


class Defaults(Protocol):
    """The facts of a checkpoint that a request may leave out."""

    @property
    def default_steps(self) -> int:
        """Denoising steps."""
        ...

    @property
    def default_guidance(self) -> float:
        """How much the conditions are amplified."""
        ...


class HasDefaults(Protocol):
    """The request context of any family of try-on networks."""

    @property
    def facts(self) -> Defaults:
        """The checkpoint's defaults."""
        ...

    @property
    def limits(self) -> Limits:
        """The limits of pictures."""
        ...


@dataclass(frozen=True, eq=False)
class Garment:
    """One garment of a request: its picture, its id, or both."""

    category: Category
    description: str
    encoded: bytes | None = None
    raw: Picture | None = None
    id: str | None = None
    mask: Picture | None = None  # the caller's mask, of any size
    photo_type: PhotoType = "auto"


@dataclass(frozen=True, eq=False)
class TryOnRequest:
    """A checked request. The person's picture is decoded; the garments' pictures are not."""

    person: Picture | None
    person_id: str | None
    garments: tuple[Garment, ...]
    steps: int
    seed: int
    guidance: float
    scheduler: str
    paste_back: bool
    crop: Fit
    format: Format
    previews: bool = False
    person_index: int | None = None
    person_point: tuple[int, int] | None = None  # x, y in the sent picture's pixels
    as_text: bool = False  # whether the answer's pictures are base64 text
    person_digest: str | None = None  # of the picture that was sent with an id


def read_request(context: HasDefaults, inputs: Inputs) -> TryOnRequest:
    """The request in the inputs of `try_on`; BadRequest names the input, the rule and the value."""
    request = TryOnRequest(
        person=None,
        person_id=text(inputs, "person_id", MAX_NAME),
        garments=_garments(context, inputs),
        steps=int(number(inputs, "steps", 1, MAX_STEPS, context.facts.default_steps)),
        seed=int(number(inputs, "seed", 0, MAX_SEED, secrets.randbits(63))),
        guidance=float(number(inputs, "guidance", 0, MAX_GUIDANCE, context.facts.default_guidance)),
        scheduler=word(inputs, "scheduler", SCHEDULERS, "checkpoint"),
        paste_back=flag(inputs, "paste_back", True),
        crop=word(inputs, "crop", FITS, "fit"),
        format=word(inputs, "format", tuple(SAVING), "png"),
        previews=flag(inputs, "previews", False),
        person_index=index_of(inputs),
        person_point=point_of(inputs),
        as_text=as_text(inputs),
    )
    person = one_picture(inputs, "person", context.limits)
    if person is None and request.person_id is None:
        raise BadRequest("person, person_raw or person_id must be given")
    if person is not None and request.paste_back:  # the answer is as large, and its mask is a PNG
        check_sides(person, "person", request.format)
        check_sides(person, "person", "png")
    if person is not None and request.person_point is not None:
        check_point(request.person_point, person)
    return replace(request, person=person, person_digest=sent_digest(inputs, "person", person))


def index_of(inputs: Inputs) -> int | None:
    """The number of the person that the caller chose; BadRequest when a point is given too."""
    if "person_index" not in inputs:
        return None
    if "person_point" in inputs:
        raise BadRequest("person_index and person_point must not both be given")
    return int(number(inputs, "person_index", 0, MAX_PEOPLE - 1, 0))


def point_of(inputs: Inputs) -> tuple[int, int] | None:
    """The point of the person that the caller chose: x, y in pixels of the sent picture."""
    if "person_point" not in inputs:
        return None
    if inputs["person_point"].size != 2:
        raise BadRequest(f"person_point must be x and y, got {inputs['person_point'].size} numbers")
    x, y = inputs["person_point"].reshape(-1).tolist()
    return int(x), int(y)


def check_point(point: tuple[int, int], picture: Picture) -> None:
    """BadRequest for a point outside the picture."""
    height, width = picture.shape[:2]
    if not (0 <= point[0] < width and 0 <= point[1] < height):
        raise BadRequest(
            f"person_point must lie in the picture of {width}x{height}, got {point[0]}, {point[1]}"
        )


def _garments(context: HasDefaults, inputs: Inputs) -> tuple[Garment, ...]:
    sent, ids = pictures(inputs, "garment"), texts(inputs, "garment_id", MAX_NAME)
    raw = inputs.get("garment_raw")
    if sent and raw is not None:
        raise BadRequest("garment and garment_raw must not both be given")
    count = len(sent) or (1 if raw is not None else len(ids))
    if count == 0:
        raise BadRequest("garment, garment_raw or garment_id must be given")
    if count > MAX_GARMENTS:
        raise BadRequest(f"garment must be at most {MAX_GARMENTS} garments, got {count}")
    categories = _one_each("category", texts(inputs, "category"), count, "upper_body")
    descriptions = _one_each("description", texts(inputs, "description"), count, "")
    names = _one_each("garment_id", ids, count, "")
    masks = _one_each("mask", pictures(inputs, "mask"), count, b"")
    shown = _one_each("garment_photo_type", texts(inputs, "garment_photo_type"), count, "")
    known = [one_of("category", one, CATEGORIES) for one in categories]
    return tuple(
        Garment(
            category=known[index],
            description=descriptions[index] or DESCRIPTIONS[known[index]],
            encoded=_within(sent[index], context) if sent else None,
            raw=None if raw is None else checked(raw, "garment_raw", context.limits),
            id=names[index] or None,
            mask=decode(masks[index], "mask", context.limits) if masks[index] else None,
            photo_type=one_of("garment_photo_type", shown[index] or "auto", PHOTO_TYPES),
        )
        for index in range(count)
    )


def _within(picture: bytes, context: HasDefaults) -> bytes:
    if len(picture) > context.limits.max_bytes:
        raise BadRequest(f"garment must have at most {context.limits.max_bytes} bytes, got {len(picture)}")
    return picture


def _one_each(name: str, values: Sequence[Value], count: int, default: Value) -> Sequence[Value]:
    """One value for each garment: the given values, or the default for all."""
    if values and len(values) != count:
        raise BadRequest(f"{name} must be one for each of {count} garments, got {len(values)}")
    return values or [default] * count
