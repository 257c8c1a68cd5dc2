"""`prepare_person`: from a person's picture and a category to the mask and the denoiser's conditioning."""

from __future__ import annotations

import asyncio

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest

from vitrine_orchestrator.fitting import FITS, Fit, fitted
from vitrine_orchestrator.person import densepose, parsing, pose, prepare
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.person.mask import inpainting_mask
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipelines.context import (
    Context,
    one_picture,
    picture_digest,
    read_aside,
    report_array,
    text_array,
)
from vitrine_orchestrator.pipelines.fields import MAX_NAME, Inputs, text, word
from vitrine_orchestrator.pipelines.recall import Item, content_array, imported_picture, recalled, recipe_of
from vitrine_orchestrator.stage_calls import Timed
from vitrine_orchestrator.try_on.facts import TryOnFacts

WIDTH, HEIGHT = densepose.WIDTH, densepose.HEIGHT  # of the picture that the person networks see


async def prepare_person(context: Context, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_person` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    category = word(inputs, "category", CATEGORIES, "upper_body")
    person_id = text(inputs, "person_id", MAX_NAME)
    how = word(inputs, "crop", FITS, "fit")
    with stages.measured("decode"):
        picture = await read_aside(lambda: _fitted_picture(context, inputs, how), inputs)
    if picture is None and person_id is None:
        raise BadRequest("person, person_raw or person_id must be given")
    item = Item(
        category,
        recipe_of("prepare_person", context.manifest.pipeline_digest),
        picture_digest(picture) if picture is not None else None,
        "person",
        person_id,
    )

    async def make() -> dict[str, np.ndarray]:
        seen = picture
        if seen is None:
            seen = _fitted(context, await imported_picture(context.memo, item), how)
        return await person_arrays(stages, context.facts, seen, category) | content_array(
            picture_digest(seen)
        )

    arrays, source = await recalled(context.memo, item, make)
    return {
        **arrays,
        "person_key": text_array(item.key.digest),
        "report": report_array(stages.rounded(), {"person": source}, **context.origin),
    }


def _fitted_picture(context: Context, inputs: Inputs, how: Fit) -> Picture | None:
    picture = one_picture(inputs, "person", context.limits)
    return None if picture is None else _fitted(context, picture, how)


def _fitted(context: Context, picture: Picture, how: Fit) -> Picture:
    return fitted(picture, context.facts.width, context.facts.height, how).picture


async def person_arrays(
    stages: Timed, facts: TryOnFacts, picture: Picture, category: Category
) -> dict[str, np.ndarray]:
    """Everything a try-on needs of a person: the outputs of `prepare_person`, key and report apart.

    picture is (height, width, 3) uint8 RGB of the checkpoint's size.
    """
    seen = np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    keypoints, labels, parts = await asyncio.gather(
        _keypoints(stages, seen), _labels(stages, seen), _parts(stages, seen)
    )
    with stages.measured("mask"):
        mask = await asyncio.to_thread(_mask, labels, keypoints, category, picture.shape)
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


async def _keypoints(stages: Timed, seen: Picture) -> np.ndarray:
    maps = await stages("pose", {"image": pose.network_input(seen)[None]})
    with stages.measured("keypoints"):
        return await asyncio.to_thread(pose.keypoints, maps["pafs"][0], maps["heatmaps"][0], WIDTH, HEIGHT)


async def _labels(stages: Timed, seen: Picture) -> np.ndarray:
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
        raise BadRequest(f"nothing to dress was found for {category}: use a picture that shows that part")
    return mask
