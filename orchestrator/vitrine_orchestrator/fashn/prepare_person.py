"""FASHN VTON's `prepare_person`: from a person's picture to the picture and the pose on the canvas."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn import pose_picture
from vitrine_orchestrator.fashn.cache_rows import PERSON
from vitrine_orchestrator.fashn.canvas import Size
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.people import choose, face_on, find_people, keypoints_on
from vitrine_orchestrator.fashn.placing import check_size, cut, on_its_canvas, placed
from vitrine_orchestrator.images.fitting import FITS, Fit
from vitrine_orchestrator.person.choice import LARGEST, Choice
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    crop_of_id,
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
from vitrine_orchestrator.pipeline.try_on_request import check_point, index_of, point_of
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.fashn import FAMILY
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, text, word


@dataclass(frozen=True, eq=False)
class PersonRequest:
    """A checked request."""

    person_id: str | None
    crop: Fit
    seen: Picture | None  # at the size at which people are found; None: the request has only the id
    choice: Choice
    sent: str | None = None  # digest of the picture that was sent with the id

    @property
    def choices(self) -> tuple[str, ...]:
        """The caller's choice of person, for the cache key; empty when there is none."""
        return (repr(self.choice.index), repr(self.choice.point)) if self.choice.is_made else ()


async def prepare_person(context: FashnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_person` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("decode"):
        request = await read_aside(lambda: _read(context, inputs), inputs)
    item = _item(context, request, request.choices)

    async def prepare() -> dict[str, np.ndarray]:
        seen, choice = request.seen, request.choice
        if seen is None:
            seen, choice = await _known_picture(context, request)
        arrays = await person_arrays(stages, _canvas(context), seen, choice)
        return arrays | content_array(picture_digest(seen))

    return await prepared_outputs(context, stages, item, "person", prepare)


async def person_arrays(
    stages: Timed, canvas: Size, seen: Picture, choice: Choice = LARGEST
) -> dict[str, np.ndarray]:
    """The person's conditioning: the outputs of `prepare_person` except key and report.

    seen: (H, W, 3) uint8 RGB, at most as high and as wide as the canvas is high.
    """
    people = await find_people(stages, seen, whole=True)
    pose = choose(people, choice)
    with stages.measured("canvas"):
        return await asyncio.to_thread(_on_canvas, seen, pose, canvas)


def _on_canvas(seen: Picture, pose: pose_picture.Pose, canvas: Size) -> dict[str, np.ndarray]:
    picture, place = on_its_canvas(seen, canvas)
    drawn = pose_picture.draw(pose, seen.shape[1], seen.shape[0])
    return {
        "person_picture": picture,
        "person_pose_picture": on_its_canvas(drawn, canvas, pose=True)[0],
        "keypoints": keypoints_on(pose, place, canvas),
        "face_points": face_on(pose, place, canvas),
        "place": np.array(place, np.int32),
    }


def _canvas(context: FashnContext) -> Size:
    return context.facts.width, context.facts.height


def _read(context: FashnContext, inputs: Inputs) -> PersonRequest:
    """The request, with the picture at its first size; BadRequest says what is wrong with it.

    The picture of a pipeline, which comes with its original's digest, has been cropped already.
    """
    crop = word(inputs, "crop", FITS, "fit")
    person_id = text(inputs, "person_id", MAX_NAME)
    picture = one_picture(inputs, "person", context.limits)
    index, point = index_of(inputs), point_of(inputs)
    if picture is None:
        if person_id is None:
            raise BadRequest("person, person_raw or person_id must be given")
        return PersonRequest(person_id, crop, None, Choice(index, point and _share_of_canvas(context, point)))
    check_size(picture, "person", _canvas(context))
    on = placed(picture, _canvas(context), "fit" if "person_digest" in inputs else crop)
    share = None
    if point is not None:
        check_point(point, picture)
        left, top, right, bottom = on.fit.taken
        on.fit.point(*point)  # BadRequest where crop has removed it
        share = (point[0] + 0.5 - left) / (right - left), (point[1] + 0.5 - top) / (bottom - top)
    sent = sent_digest(inputs, "person", picture)
    return PersonRequest(person_id, crop, on.seen, Choice(index, share), sent)


def _share_of_canvas(context: FashnContext, point: tuple[int, int]) -> tuple[float, float]:
    """A point of the canvas, as it is sent with an id alone, in shares of the canvas."""
    return (point[0] + 0.5) / context.facts.width, (point[1] + 0.5) / context.facts.height


def _item(context: FashnContext, request: PersonRequest, choices: tuple[str, ...]) -> PreparedItem:
    crop = crop_of_id(request.person_id, request.crop)
    return PreparedItem(
        PERSON,
        recipe_digest("prepare_person", context.manifest.pipeline_digest, *choices, *crop),
        None if request.seen is None else picture_digest(request.seen),
        "person",
        request.person_id,
        sent=request.sent,
    )


async def _known_picture(context: FashnContext, request: PersonRequest) -> tuple[Picture, Choice]:
    """The picture that was prepared under an id without a choice of person, and the choice in that picture.

    NotFound for an unknown id.
    """

    prepared = f"for the model {FAMILY} and crop {request.crop}, without a choice of person"

    async def missing() -> dict[str, np.ndarray]:
        raise unknown("person", request.person_id, prepared)

    item = _item(context, request, ())
    kept = (await context.memo.get_or_compute(item.key, missing, able=False))[0]
    left, top, right, bottom = kept["place"].tolist()
    choice, (width, height) = request.choice, _canvas(context)
    if choice.point is not None:
        x, y = choice.point
        choice = Choice(point=((x * width - left) / (right - left), (y * height - top) / (bottom - top)))
    return np.ascontiguousarray(cut(kept["person_picture"], (left, top, right, bottom))), choice
