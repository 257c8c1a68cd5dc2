"""The pipeline `prepare_garment`: from a garment's picture to its latents and image tokens."""

from __future__ import annotations

import asyncio

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.images.clip import no_picture, pixel_values
from vitrine_orchestrator.images.fitting import fitted
from vitrine_orchestrator.person.prepare import pixels
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    imported_picture,
    prepared_outputs,
    recipe_digest,
)
from vitrine_orchestrator.pipeline.request_context import (
    one_picture,
    picture_digest,
    read_aside,
    sent_digest,
)
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.idm_vton import FAMILY
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.facts import TryOnFacts
from vitrine_orchestrator.wire.fields import MAX_NAME, Inputs, text


async def prepare_garment(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_garment` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    garment_id = text(inputs, "garment_id", MAX_NAME)
    with stages.measured("decode"):
        picture, sent = await read_aside(lambda: _read(context, inputs), inputs)
    if picture is None and garment_id is None:
        raise BadRequest("garment, garment_raw or garment_id must be given")
    item = PreparedItem(
        "garment",
        recipe_digest("prepare_garment", context.manifest.pipeline_digest),
        picture_digest(picture) if picture is not None else None,
        "garment",
        garment_id,
        sent=sent,
    )

    async def prepare() -> dict[str, np.ndarray]:
        shown = picture
        if shown is None:
            shown = _fitted(context, await imported_picture(context.memo, item, f"for the model {FAMILY}"))
        return await garment_arrays(stages, context.facts, shown) | content_array(picture_digest(shown))

    return await prepared_outputs(context, stages, item, "garment", prepare)


def _read(context: TryOnContext, inputs: Inputs) -> tuple[Picture | None, str | None]:
    """The picture at the checkpoint's size, and the digest of the picture that was sent with an id."""
    picture = one_picture(inputs, "garment", context.limits)
    fitting = None if picture is None else _fitted(context, picture)
    return fitting, sent_digest(inputs, "garment", picture)


def _fitted(context: TryOnContext, picture: Picture) -> Picture:
    return fitted(picture, context.facts.width, context.facts.height, "fit").picture


async def garment_arrays(stages: Timed, facts: TryOnFacts, picture: Picture) -> dict[str, np.ndarray]:
    """The garment's conditioning: the outputs of `prepare_garment` except key and report.

    picture is (height, width, 3) uint8 RGB of the checkpoint's size.
    """
    clip_pixels = np.stack([pixel_values(picture, facts.image_size), no_picture(facts.image_size)])
    latents, tokens = await asyncio.gather(
        stages("vae_encoder", {"pixels": pixels(picture)[None]}),
        stages("image_encoder", {"pixel_values": clip_pixels}),
    )
    image_tokens, negative = tokens["image_tokens"]
    return {
        "garment_latents": latents["mean"][0],
        "image_tokens": image_tokens,
        "negative_image_tokens": negative,
    }
