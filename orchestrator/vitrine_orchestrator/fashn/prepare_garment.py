"""FASHN VTON's `prepare_garment`: from a garment's picture to the picture and the pose on the canvas.

A photograph of the garment alone is used as it is. One of somebody who wears it needs the optional stage
`garment_parser`, which finds the garment; without it such a photograph is refused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import cv2
import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn import masks, pose_picture
from vitrine_orchestrator.fashn.cache_rows import GARMENT
from vitrine_orchestrator.fashn.canvas import Size
from vitrine_orchestrator.fashn.categories import CATEGORY_WORDS
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.people import People, choose, find_people
from vitrine_orchestrator.fashn.placing import check_size, on_its_canvas, placed
from vitrine_orchestrator.person.choice import LARGEST
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    prepared_outputs,
    recipe_digest,
    unknown,
)
from vitrine_orchestrator.pipeline.request_context import (
    one_picture,
    picture_digest,
    read_aside,
    sent_digest,
)
from vitrine_orchestrator.pipeline.try_on_request import PHOTO_TYPES, PhotoType
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.fashn import FAMILY, GARMENT_PARSER
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, text, word

PARSER_HEIGHT, PARSER_WIDTH = 576, 384


@dataclass(frozen=True, eq=False)
class GarmentRequest:
    """A checked request."""

    garment_id: str | None
    seen: Picture | None  # at its first size; None: the request has only the id
    category: str  # a row of masks.RULES
    photo: PhotoType
    sent: str | None  # digest of the picture that was sent with the id


async def prepare_garment(context: FashnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_garment` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("decode"):
        request = await read_aside(lambda: _read(context, inputs), inputs)
    item = _item(context, request)
    canvas = context.facts.width, context.facts.height

    async def prepare() -> dict[str, np.ndarray]:
        if request.seen is None:
            raise unknown("garment", request.garment_id, _prepared_for(context, request))
        arrays = await garment_arrays(
            stages, canvas, request.seen, request.category, request.photo, parses=has_parser(context)
        )
        return arrays | content_array(picture_digest(request.seen))

    return await prepared_outputs(context, stages, item, "garment", prepare)


def has_parser(context: FashnContext) -> bool:
    """Whether the release has the optional stage that finds a garment on a person."""
    return any(path.startswith(f"{GARMENT_PARSER}/") for path in context.manifest.files)


def _read(context: FashnContext, inputs: Inputs) -> GarmentRequest:
    garment_id = text(inputs, "garment_id", MAX_NAME)
    picture = one_picture(inputs, "garment", context.limits)
    if picture is None and garment_id is None:
        raise BadRequest("garment, garment_raw or garment_id must be given")
    seen, canvas = None, (context.facts.width, context.facts.height)
    if picture is not None:
        check_size(picture, "garment", canvas)
        seen = placed(picture, canvas, "fit").seen
    category = CATEGORY_WORDS[word(inputs, "category", CATEGORIES, "upper_body")]
    photo = word(inputs, "garment_photo_type", PHOTO_TYPES, "auto")
    return GarmentRequest(garment_id, seen, category, photo, sent_digest(inputs, "garment", picture))


def _is_masked(context: FashnContext, request: GarmentRequest) -> bool:
    """Whether a segmenter may cut the garment out, so that the category matters."""
    return request.photo != "flat-lay" and has_parser(context)


def _prepared_for(context: FashnContext, request: GarmentRequest) -> str:
    """For what a picture is prepared, in words."""
    word = next(word for word, own in CATEGORY_WORDS.items() if own == request.category)
    category = f" and category {word}" if _is_masked(context, request) else ""
    return f"for the model {FAMILY} and garment_photo_type {request.photo}{category}"


def _item(context: FashnContext, request: GarmentRequest) -> PreparedItem:
    """The item in the cache."""
    choices = (request.photo, request.category) if _is_masked(context, request) else (request.photo,)
    return PreparedItem(
        GARMENT,
        recipe_digest("prepare_garment", context.manifest.pipeline_digest, *choices),
        None if request.seen is None else picture_digest(request.seen),
        "garment",
        request.garment_id,
        sent=request.sent,
    )


async def garment_arrays(
    stages: Timed, canvas: Size, seen: Picture, category: str, photo: PhotoType, *, parses: bool
) -> dict[str, np.ndarray]:
    """The garment's conditioning: the outputs of `prepare_garment` except key and report.

    seen: (H, W, 3) uint8 RGB, at most as high and as wide as the canvas is high.
    category: a row of `masks.RULES`.
    parses: whether the stage `garment_parser` can be called.

    BadRequest for a photograph of somebody in the garment where it cannot.
    """
    pose = pose_picture.Pose()
    if photo == "model" and not parses:
        raise BadRequest(f"garment_photo_type must be flat-lay or auto on this server, got model: {_ADVICE}")
    if photo != "flat-lay":
        people = await find_people(stages, seen, whole=photo == "model")
        worn = photo == "model" or bool(len(people))
        if worn and not parses:
            raise BadRequest(f"garment must show a garment alone, got one that a person wears: {_ADVICE}")
        if worn:
            seen, pose = await _garment_alone(stages, seen, category), _pose(people)
    with stages.measured("canvas"):
        return await asyncio.to_thread(_on_canvas, seen, pose, canvas)


_ADVICE = (
    "send a photograph of the garment laid flat or on a hanger; where nobody is in the picture, send "
    "garment_photo_type flat-lay"
)


def _pose(people: People) -> pose_picture.Pose:
    return choose(people, LARGEST) if len(people) else pose_picture.Pose()


async def _garment_alone(stages: Timed, seen: Picture, category: str) -> Picture:
    """The picture, grey where the segmenter finds no garment of the category."""
    small = cv2.resize(seen, (PARSER_WIDTH, PARSER_HEIGHT), interpolation=cv2.INTER_AREA)
    labels = (await stages(GARMENT_PARSER, {"image": small[None]}))["labels"][0]
    size = seen.shape[1], seen.shape[0]
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    if not masks.of_labels(labels, masks.RULES[category].garment).any():
        raise BadRequest(
            f"garment must show {category}, and none were found on the person: check category, or send a "
            "photograph of the garment alone"
        )
    return masks.garment_only(seen, labels, category)


def _on_canvas(seen: Picture, pose: pose_picture.Pose, canvas: Size) -> dict[str, np.ndarray]:
    drawn = pose_picture.draw(pose, seen.shape[1], seen.shape[0])
    return {
        "garment_picture": on_its_canvas(seen, canvas)[0],
        "garment_pose_picture": on_its_canvas(drawn, canvas, pose=True)[0],
    }
