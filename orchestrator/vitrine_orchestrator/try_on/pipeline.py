"""The pipeline `try_on`: from person, garments and options to the finished picture."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.images.fitting import Fitted, fitted
from vitrine_orchestrator.images.paste_back import Seam, pasted, seam_of
from vitrine_orchestrator.person.own_mask import OwnMask, own_mask
from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.denoising import FollowJob, RunLog, denoised, follow_nothing
from vitrine_orchestrator.pipeline.request_context import text_array
from vitrine_orchestrator.pipeline.try_on import answered
from vitrine_orchestrator.pipeline.try_on_answer import (
    answer,
    encoded,
    garment_inputs,
    known_person,
    masks_by,
)
from vitrine_orchestrator.pipeline.try_on_request import Garment, TryOnRequest
from vitrine_orchestrator.stages.idm_vton import (
    FAMILY,
    GARMENT_CONDITIONING,
    PERSON_CONDITIONING,
    TEXT_CONDITIONING,
)
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import Inputs

CONDITIONING = (
    *(tensor.name for tensor in (*PERSON_CONDITIONING, *GARMENT_CONDITIONING, *TEXT_CONDITIONING)),
    "garment_key",
)


@dataclass(frozen=True, eq=False)
class GarmentMask:
    """Which pixels are repainted for one garment, and how they are blended in."""

    mask: np.ndarray  # (height, width) 0/255, at the checkpoint's size
    seam: Seam | None  # None: nothing is pasted back
    original: tuple[np.ndarray, Seam] | None  # mask and seam at the original's size; None: not pasted there


@dataclass(frozen=True, eq=False)
class Layer:
    """What the network painted for one garment, at the checkpoint's size."""

    painted: Picture  # (height, width, 3), the network's whole picture, not yet pasted
    area: GarmentMask


@dataclass(frozen=True, eq=False)
class Composite:
    """The person in the garments so far, at the checkpoint's size."""

    picture: Picture  # (height, width, 3): the next garment is put on this picture
    layers: tuple[Layer, ...]  # in the order in which they were put on

    @property
    def mask(self) -> np.ndarray:
        """The union of all garments' masks, (height, width) 0/255."""
        return np.maximum.reduce([layer.area.mask for layer in self.layers])


async def try_on(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `try_on` for its inputs; BadRequest says what is wrong with them."""
    return await answered(context, inputs, run)


async def run(
    context: TryOnContext, request: TryOnRequest, log: RunLog, follow: FollowJob = follow_nothing
) -> dict[str, np.ndarray]:
    """Dress the person in every garment, one after the other, and finish the picture."""
    stages = log.stages
    with stages.measured("total"):
        fit = _fitted(context, request)
        composite: Composite | None = None
        for index, garment in enumerate(request.garments):
            current = composite.picture if composite else (fit.picture if fit else None)
            own = await asyncio.to_thread(_own_mask, context, request, garment, fit)
            prepared = await _prepared(context, request, garment, current, log, composite is None, fit, own)
            latents, area = await asyncio.gather(
                denoised(request, index, _conditioning(prepared), log, follow),
                asyncio.to_thread(_garment_mask, request, fit, prepared["mask"], own),
            )
            pixels = (await stages("vae_decoder", {"latents": latents[None]}))["pixels"][0]
            composite = _composited(prepared["image"], Layer(as_picture(pixels), area), composite)
        assert composite is not None, "a request has a garment"
        with stages.measured("encode"):
            picture, painted = await _final(request, fit, composite)
            files = await encoded(request, picture, painted)
    size = picture.shape[1], picture.shape[0]
    return answer(context, request, log, files, size, mask=masks_by(request, "found"))


def _conditioning(prepared: Arrays) -> dict[str, np.ndarray]:
    """The inputs of `denoise` that come from the prepare models, and the family."""
    return {name: prepared[name] for name in CONDITIONING} | {"family": text_array(FAMILY)}


def _own_mask(
    context: TryOnContext, request: TryOnRequest, garment: Garment, fit: Fitted | None
) -> OwnMask | None:
    if garment.mask is None:
        return None
    return own_mask(garment.mask, fit, context.facts.width, context.facts.height, request.crop)


def _fitted(context: TryOnContext, request: TryOnRequest) -> Fitted | None:
    if request.person is None:
        return None
    return fitted(request.person, context.facts.width, context.facts.height, request.crop)


async def _prepared(
    context: TryOnContext,
    request: TryOnRequest,
    garment: Garment,
    current: Picture | None,
    log: RunLog,
    first: bool,
    fit: Fitted | None,
    own: OwnMask | None,
) -> dict[str, np.ndarray]:
    """The inputs of one denoising job, with `image` and `mask`; prepares person, garment, text concurrently.

    current: the person in the garments so far; None where only the person's id was sent.
    """
    person = {
        "category": text_array(garment.category),
        "crop": text_array("squash"),  # the picture has the checkpoint's size already
        "model": text_array(FAMILY),
    }
    if current is not None:
        person["person_raw"] = current
    if own is not None:
        person["mask"] = text_array(encode(own.fitted, "png"))
    person |= _which_person(request, fit)
    if first:
        person |= known_person(request)
    prepared = await asyncio.gather(
        log.stages("prepare_person", person),
        log.stages("prepare_garment", garment_inputs(garment) | {"model": text_array(FAMILY)}),
        log.stages(
            "prepare_text", {"description": text_array(garment.description), "model": text_array(FAMILY)}
        ),
    )
    return log.joined(prepared)


def _which_person(request: TryOnRequest, fit: Fitted | None) -> dict[str, np.ndarray]:
    """The inputs for the caller's choice among several people; a point is in the checkpoint's pixels."""
    if request.person_index is not None:
        return {"person_index": np.array([request.person_index], np.int32)}
    if request.person_point is None:
        return {}
    point = request.person_point if fit is None else fit.point(*request.person_point)
    return {"person_point": np.array(point, np.int32)}


def _garment_mask(
    request: TryOnRequest, fit: Fitted | None, mask: np.ndarray, own: OwnMask | None
) -> GarmentMask:
    """The mask and its seams: the part of pasting back that can be computed while the job is denoised."""
    if not request.paste_back:
        return GarmentMask(mask, None, None)
    restored = None if fit is None else (own.original if own else fit.restore_mask(mask))
    return GarmentMask(mask, seam_of(mask), None if restored is None else (restored, seam_of(restored)))


def _composited(person: Picture, layer: Layer, before: Composite | None) -> Composite:
    """The composite with one garment more; with paste-back, only pixels inside its mask change."""
    seam = layer.area.seam
    picture = layer.painted if seam is None else pasted(layer.painted, person, seam)
    return Composite(picture, (*(before.layers if before else ()), layer))


async def _final(
    request: TryOnRequest, fit: Fitted | None, composite: Composite
) -> tuple[Picture, np.ndarray]:
    """The finished picture and its mask."""
    if fit is not None and request.paste_back:
        return await asyncio.to_thread(_restored, fit, composite)
    return composite.picture, composite.mask


def _restored(fit: Fitted, composite: Composite) -> tuple[Picture, np.ndarray]:
    """The picture and its mask at the original's size.

    Each layer is pasted into the original separately, so every rim is blended once, with original pixels.
    """
    picture, masks = fit.original, []
    for layer in composite.layers:
        assert layer.area.original is not None, "it is pasted into the original"
        mask, seam = layer.area.original
        picture = pasted(fit.restore(layer.painted), picture, seam)
        masks.append(mask)
    return picture, np.maximum.reduce(masks)
