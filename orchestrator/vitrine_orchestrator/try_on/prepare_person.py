"""`prepare_person`: from a person's picture and a category to the mask and the denoiser's conditioning."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest, NotFound

from vitrine_orchestrator.images.fitting import FITS, Fit, fitted
from vitrine_orchestrator.person import densepose, parsing, pose, prepare
from vitrine_orchestrator.person.choice import LARGEST, Choice, chosen, only_theirs
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.person.mask import inpainting_mask, nothing_to_dress
from vitrine_orchestrator.person.own_mask import own_mask
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.request_context import (
    one_picture,
    picture_digest,
    read_aside,
    report_array,
    text_array,
)
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.facts import TryOnFacts
from vitrine_orchestrator.try_on.prepared_items import (
    Item,
    content_array,
    imported_picture,
    recalled,
    recipe_of,
)
from vitrine_orchestrator.try_on.try_on_request import check_point, index_of, point_of
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, text, word


@dataclass(frozen=True, eq=False)
class Asked:
    """A checked request; picture and mask are of the checkpoint's size."""

    category: Category
    how: Fit
    person_id: str | None
    picture: Picture | None  # None: known by its id only
    choice: Choice
    mask: np.ndarray | None  # the caller's own

    @property
    def choices(self) -> tuple[str, ...]:
        """What makes the answer another than the usual one, for its key; nothing for the usual."""
        if self.mask is None and not self.choice.is_made:
            return ()
        drawn = "" if self.mask is None else hashlib.sha256(self.mask.tobytes()).hexdigest()
        return drawn, repr(self.choice.index), repr(self.choice.point)


WIDTH, HEIGHT = densepose.WIDTH, densepose.HEIGHT  # of the picture that the person networks see


async def prepare_person(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_person` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("decode"):
        asked = await read_aside(lambda: _read(context, inputs), inputs)
    item = _item(context, asked, asked.choices)

    async def make() -> dict[str, np.ndarray]:
        seen = asked.picture if asked.picture is not None else await _known_picture(context, asked)
        made = await person_arrays(stages, context.facts, seen, asked.category, asked.choice, asked.mask)
        return made | content_array(picture_digest(seen))

    arrays, source = await recalled(context.memo, item, make)
    return {
        **arrays,
        "person_key": text_array(item.key.digest),
        "report": report_array(stages.rounded(), {"person": source}, **context.origin),
    }


def _read(context: TryOnContext, inputs: Inputs) -> Asked:
    """The request, its pictures at the checkpoint's size; BadRequest says what is wrong with it."""
    width, height = context.facts.width, context.facts.height
    how = word(inputs, "crop", FITS, "fit")
    person_id = text(inputs, "person_id", MAX_NAME)
    picture = one_picture(inputs, "person", context.limits)
    if picture is None and person_id is None:
        raise BadRequest("person, person_raw or person_id must be given")
    point, place = point_of(inputs), None
    if picture is not None:
        if point is not None:
            check_point(point, picture)
        place = fitted(picture, width, height, how)
        point = point and place.point(*point)
    drawn = one_picture(inputs, "mask", context.limits)
    return Asked(
        category=word(inputs, "category", CATEGORIES, "upper_body"),
        how=how,
        person_id=person_id,
        picture=None if place is None else place.picture,
        choice=Choice(index_of(inputs), point and ((point[0] + 0.5) / width, (point[1] + 0.5) / height)),
        mask=None if drawn is None else own_mask(drawn, place, width, height, how).fitted,
    )


def _item(context: TryOnContext, asked: Asked, choices: tuple[str, ...]) -> Item:
    return Item(
        asked.category,
        recipe_of("prepare_person", context.manifest.pipeline_digest, *choices),
        None if asked.picture is None else picture_digest(asked.picture),
        "person",
        asked.person_id,
    )


async def _known_picture(context: TryOnContext, asked: Asked) -> Picture:
    """The picture behind an id alone, (height, width, 3) of the checkpoint; NotFound for an unknown id.

    With a mask or a choice of person it is the one that was prepared without them.
    """
    item = _item(context, asked, ())

    async def imported() -> dict[str, np.ndarray]:
        picture = await imported_picture(context.memo, item)
        return {"image": fitted(picture, context.facts.width, context.facts.height, asked.how).picture}

    if not asked.choices:
        return (await imported())["image"]

    async def missing() -> dict[str, np.ndarray]:
        raise NotFound(f"person_id {asked.person_id!r} is not known: send its picture once with the id")

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
    """Everything a try-on needs of a person: the outputs of `prepare_person`, key and report apart.

    picture is (height, width, 3) uint8 RGB of the checkpoint's size, as is the caller's `own` mask (height,
    width) 0/255, which makes the parsing networks unneeded.
    """
    seen = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    people, labels, parts = await asyncio.gather(
        _people(stages, seen, choice), _labels(stages, seen, needed=own is None), _parts(stages, seen)
    )
    number = chosen(people, choice)
    keypoints = people[number]
    with stages.measured("mask"):
        if labels is not None:
            labels = await asyncio.to_thread(only_theirs, labels, people, number)
        mask = (
            own
            if labels is None
            else await asyncio.to_thread(_mask, labels, keypoints, category, picture.shape)
        )
        assert mask is not None, "it is the caller's or was found"
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
    """Everybody in the picture, the largest first; BadRequest, with advice, when there is nobody.

    People in a wide picture are small at the checkpoint's size. So where one is chosen, or none is found, the
    part between the white bars above and below is looked at by itself, at its largest.
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
        return await asyncio.to_thread(pose.everybody, maps["pafs"][0], maps["heatmaps"][0], width, height)


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
