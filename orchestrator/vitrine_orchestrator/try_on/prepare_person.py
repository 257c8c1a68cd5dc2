"""The pipeline `prepare_person`: from a person's picture and a category to mask and conditioning."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest, NotFound

from vitrine_orchestrator.images.fitting import FITS, Fit, fitted
from vitrine_orchestrator.person import densepose, parsing, pose, prepare
from vitrine_orchestrator.person.choice import LARGEST, Choice, chosen, without_others
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.person.mask import inpainting_mask, nothing_to_dress
from vitrine_orchestrator.person.own_mask import own_mask
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    crop_of_id,
    imported_picture,
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
from vitrine_orchestrator.stages.idm_vton import FAMILY
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.facts import TryOnFacts
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, text, word


@dataclass(frozen=True, eq=False)
class PersonRequest:
    """A checked request. Picture and mask are at the checkpoint's size."""

    category: Category
    crop: Fit
    person_id: str | None
    picture: Picture | None  # None: the request has only the id
    choice: Choice
    mask: np.ndarray | None  # the caller's mask, (height, width) 0/255
    sent: str | None  # digest of the picture that was sent with the id

    @property
    def choices(self) -> tuple[str, ...]:
        """The caller's mask and choice of person, for the cache key; empty when there are none."""
        if self.mask is None and not self.choice.is_made:
            return ()
        mask_digest = "" if self.mask is None else hashlib.sha256(self.mask.tobytes()).hexdigest()
        return mask_digest, repr(self.choice.index), repr(self.choice.point)


WIDTH, HEIGHT = densepose.WIDTH, densepose.HEIGHT  # pixels of the person networks' input picture


async def prepare_person(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_person` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("decode"):
        request = await read_aside(lambda: _read(context, inputs), inputs)
    item = _item(context, request, request.choices)

    async def prepare() -> dict[str, np.ndarray]:
        picture = request.picture if request.picture is not None else await _known_picture(context, request)
        arrays = await person_arrays(
            stages, context.facts, picture, request.category, request.choice, request.mask
        )
        return arrays | content_array(picture_digest(picture))

    return await prepared_outputs(context, stages, item, "person", prepare)


def _read(context: TryOnContext, inputs: Inputs) -> PersonRequest:
    """The request, with pictures at the checkpoint's size; BadRequest says what is wrong with it."""
    width, height = context.facts.width, context.facts.height
    crop = word(inputs, "crop", FITS, "fit")
    person_id = text(inputs, "person_id", MAX_NAME)
    picture = one_picture(inputs, "person", context.limits)
    if picture is None and person_id is None:
        raise BadRequest("person, person_raw or person_id must be given")
    point, place = point_of(inputs), None
    if picture is not None:
        if point is not None:
            check_point(point, picture)
        place = fitted(picture, width, height, crop)
        point = point and place.point(*point)
    mask = one_picture(inputs, "mask", context.limits)
    return PersonRequest(
        category=word(inputs, "category", CATEGORIES, "upper_body"),
        crop=crop,
        person_id=person_id,
        picture=None if place is None else place.picture,
        choice=Choice(index_of(inputs), point and ((point[0] + 0.5) / width, (point[1] + 0.5) / height)),
        mask=None if mask is None else own_mask(mask, place, width, height, crop).fitted,
        sent=sent_digest(inputs, "person", picture),
    )


def _item(context: TryOnContext, request: PersonRequest, choices: tuple[str, ...]) -> PreparedItem:
    crop = crop_of_id(request.person_id, request.crop)
    return PreparedItem(
        request.category,
        recipe_digest("prepare_person", context.manifest.pipeline_digest, *choices, *crop),
        None if request.picture is None else picture_digest(request.picture),
        "person",
        request.person_id,
        CATEGORIES,
        request.sent,
    )


async def _known_picture(context: TryOnContext, request: PersonRequest) -> Picture:
    """The picture kept under an id, (height, width, 3) at the checkpoint's size; NotFound for an unknown id.

    With a mask or a choice of person, it is the picture that was prepared under the id without them.
    """
    item = _item(context, request, ())
    prepared = (
        f"for the model {FAMILY}, category {request.category} and crop {request.crop}, "
        "without a mask or choice of person"
    )

    async def imported() -> dict[str, np.ndarray]:
        picture = await imported_picture(context.memo, item, prepared)
        return {"image": fitted(picture, context.facts.width, context.facts.height, request.crop).picture}

    if not request.choices:
        return (await imported())["image"]

    async def missing() -> dict[str, np.ndarray]:
        raise unknown("person", request.person_id, prepared)

    try:
        return (await context.memo.get_or_compute(item.key, missing, able=False))[0]["image"]
    except NotFound:
        return (await imported())["image"]


async def person_arrays(
    stages: Timed,
    facts: TryOnFacts,
    picture: Picture,
    category: Category,
    choice: Choice = LARGEST,
    own: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The person's conditioning: the outputs of `prepare_person` except key and report.

    picture: (height, width, 3) uint8 RGB at the checkpoint's size.
    own: the caller's mask, (height, width) 0/255; with it, the parsing networks are not called.
    """
    seen = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    people, labels, parts = await asyncio.gather(
        _people(stages, seen, choice), _labels(stages, seen, needed=own is None), _parts(stages, seen)
    )
    number = chosen(people, choice)
    keypoints = people[number]
    with stages.measured("mask"):
        if labels is not None:
            labels = await asyncio.to_thread(without_others, labels, people, number)
        mask = (
            own
            if labels is None
            else await asyncio.to_thread(_mask, labels, keypoints, category, picture.shape)
        )
        assert mask is not None, "it is the caller's or was computed"
        body = densepose.pose_picture(parts, picture.shape[1], picture.shape[0])
        pixels = np.stack([prepare.masked_pixels(picture, mask), prepare.pixels(body)])
    latents = (await stages("vae_encoder", {"pixels": pixels}))["mean"]
    return {
        "image": picture,
        "mask": mask,
        "mask_latent": prepare.mask_latent(mask, facts.factor),
        "masked_latents": latents[0],
        "pose_latents": latents[1],
        "keypoints": keypoints,
    }


async def _people(stages: Timed, seen: Picture, choice: Choice) -> list[np.ndarray]:
    """The joints of all people in the picture, the largest first; BadRequest with advice when there are none.

    People in a wide picture are small at the checkpoint's size. So when the caller chose a person, or none is
    found, the network gets only the part between the white bars above and below, as large as possible.
    """
    top, bottom = pose.between_bars(seen)
    if bottom - top == HEIGHT:
        return await _people_in(stages, seen)
    if not choice.is_made:
        try:
            return await _people_in(stages, seen)
        except BadRequest:
            pass
    people = await _people_in(stages, seen[top:bottom])
    for joints in people:
        there = joints[:, 2] > 0
        joints[there, 1] = (joints[there, 1] * (bottom - top) + top) / HEIGHT
    return people


async def _people_in(stages: Timed, seen: Picture) -> list[np.ndarray]:
    maps = await stages("pose", {"image": pose.network_input(seen)[None]})
    width, height = seen.shape[1], seen.shape[0]
    with stages.measured("keypoints"):
        return await asyncio.to_thread(
            pose.all_keypoints, maps["pafs"][0], maps["heatmaps"][0], width, height
        )


async def _labels(stages: Timed, seen: Picture, needed: bool) -> np.ndarray | None:
    if not needed:
        return None

    async def logits(name: str, size: int) -> np.ndarray:
        return (await stages(name, {"image": parsing.network_input(seen, size)[None]}))["logits"][0]

    atr, lip = await asyncio.gather(
        logits("parsing_atr", parsing.ATR_SIZE), logits("parsing_lip", parsing.LIP_SIZE)
    )
    with stages.measured("labels"):
        return await asyncio.to_thread(parsing.merged_labels, atr, lip, WIDTH, HEIGHT)


async def _parts(stages: Timed, seen: Picture) -> np.ndarray:
    return (await stages("densepose", {"image": seen[None]}))["parts"][0]


def _mask(
    labels: np.ndarray, keypoints: np.ndarray, category: Category, shape: tuple[int, ...]
) -> np.ndarray:
    mask = prepare.mask_at(inpainting_mask(labels, keypoints, category), shape[1], shape[0])
    if not mask.any():
        raise BadRequest(nothing_to_dress(category))
    return mask
