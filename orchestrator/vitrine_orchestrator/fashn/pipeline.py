"""FASHN VTON's `try_on`: from person, garments and options to the finished picture.

Every garment is one round: prepare, denoise, find what the network changed. The person of the next round is
the canvas so far. At the end each round's change is pasted once into the picture that was sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn.canvas import as_picture
from vitrine_orchestrator.fashn.change import area_of
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.placing import Placed, check_size, cut, placed
from vitrine_orchestrator.images.fitting import Box, Fitted
from vitrine_orchestrator.images.paste_back import pasted, seam_of
from vitrine_orchestrator.person.own_mask import own_mask
from vitrine_orchestrator.pictures import Picture
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
from vitrine_orchestrator.stages.fashn import FAMILY, GARMENT_CONDITIONING, PERSON_CONDITIONING
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import Inputs

CONDITIONING = tuple(tensor.name for tensor in (*PERSON_CONDITIONING, *GARMENT_CONDITIONING))


@dataclass(frozen=True, eq=False)
class Layer:
    """What the network made for one garment, on the canvas."""

    painted: Picture  # (height, width, 3), the network's whole picture, not yet pasted
    mask: np.ndarray  # (height, width) 0/255, what is taken of it
    original: np.ndarray | None = None  # the caller's own mask at the original's size; None: made from `mask`


@dataclass(frozen=True, eq=False)
class Dressed:
    """The person in the garments so far."""

    canvas: Picture  # (height, width, 3): the next garment is put on it
    fit: Fitted  # where the picture lies on the canvas, and the original; of an id alone, the kept picture
    layers: tuple[Layer, ...]  # in the order in which they were put on


async def try_on(context: FashnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `try_on` for its inputs; BadRequest says what is wrong with them."""
    return await answered(context, inputs, run)


async def run(
    context: FashnContext, request: TryOnRequest, log: RunLog, follow: FollowJob = follow_nothing
) -> dict[str, np.ndarray]:
    """Dress the person in every garment, one after the other, and finish the picture."""
    stages = log.stages
    with stages.measured("total"):
        start = await asyncio.to_thread(_start, context, request)
        dressed: Dressed | None = None
        for index, garment in enumerate(request.garments):
            prepared = await _prepared(request, garment, start, dressed, log)
            state = await denoised(request, index, conditioning(prepared, garment), log, follow)
            fit = dressed.fit if dressed else _fit(start, prepared)
            layer = await _layer(request, garment, fit, prepared, as_picture(state), log)
            person = prepared["person_picture"]
            dressed = await asyncio.to_thread(_put_on, request, person, fit, layer, dressed)
        assert dressed is not None, "a request has a garment"
        with stages.measured("encode"):
            picture, mask = await asyncio.to_thread(_finished, request, dressed)
            files = await encoded(request, picture, mask)
    size, by = (picture.shape[1], picture.shape[0]), "difference" if request.paste_back else "none"
    return answer(context, request, log, files, size, mask=masks_by(request, by))


def conditioning(prepared: Arrays, garment: Garment) -> dict[str, np.ndarray]:
    """The inputs of `denoise` that come from the prepare models, the garment's category and the family."""
    words = {"category": text_array(garment.category), "family": text_array(FAMILY)}
    return {name: prepared[name] for name in CONDITIONING} | words


def _start(context: FashnContext, request: TryOnRequest) -> Placed | None:
    """The person's picture on the canvas; None where only its id was sent."""
    if request.scheduler != "checkpoint":
        raise BadRequest(f"scheduler must be checkpoint for the model {FAMILY}, got {request.scheduler!r}")
    if request.person is None:
        return None
    canvas = context.facts.width, context.facts.height
    check_size(request.person, "person", canvas)
    return placed(request.person, canvas, request.crop)


async def _prepared(
    request: TryOnRequest, garment: Garment, start: Placed | None, dressed: Dressed | None, log: RunLog
) -> dict[str, np.ndarray]:
    """The outputs of both prepare models, which work concurrently."""
    wanted = {
        **garment_inputs(garment),
        "category": text_array(garment.category),
        "garment_photo_type": text_array(garment.photo_type),
        "model": text_array(FAMILY),
    }
    outputs = await asyncio.gather(
        log.stages("prepare_person", _person_inputs(request, start, dressed)),
        log.stages("prepare_garment", wanted),
    )
    return log.joined(outputs)


def _person_inputs(
    request: TryOnRequest, start: Placed | None, dressed: Dressed | None
) -> dict[str, np.ndarray]:
    """The person of a round: the sent picture or its id at first, then the canvas so far."""
    inputs: dict[str, np.ndarray] = {"model": text_array(FAMILY)}
    if dressed is not None:
        inputs["person_raw"] = dressed.canvas
    elif start is not None:
        inputs["person_raw"] = start.seen
    if dressed is None:
        inputs |= known_person(request)
    if request.person_index is not None:
        inputs["person_index"] = np.array([request.person_index], np.int32)
    if request.person_point is not None:
        inputs["person_point"] = np.array(_point(request.person_point, start, dressed), np.int32)
    return inputs


def _point(point: tuple[int, int], start: Placed | None, dressed: Dressed | None) -> tuple[int, int]:
    """The caller's point in pixels of the picture that `prepare_person` gets."""
    if start is None:
        return point  # with an id alone, a point of the canvas
    if dressed is not None:
        return start.fit.point(*point)
    left, top, right, bottom = start.fit.taken
    start.fit.point(*point)  # BadRequest where crop has removed it
    height, width = start.seen.shape[:2]
    x = int((point[0] + 0.5 - left) / (right - left) * width)
    return x, int((point[1] + 0.5 - top) / (bottom - top) * height)


def _fit(start: Placed | None, prepared: Arrays) -> Fitted:
    """Where the person's picture lies on the canvas; with an id alone, the kept picture is the original."""
    if start is not None:
        return start.fit
    left, top, right, bottom = prepared["place"].tolist()
    place: Box = (left, top, right, bottom)
    kept = np.ascontiguousarray(cut(prepared["person_picture"], place))
    return Fitted(prepared["person_picture"], kept, (0, 0, kept.shape[1], kept.shape[0]), place)


async def _layer(
    request: TryOnRequest, garment: Garment, fit: Fitted, prepared: Arrays, painted: Picture, log: RunLog
) -> Layer:
    """The network's picture, and the mask of what is taken of it."""
    if garment.mask is not None:
        height, width = painted.shape[:2]
        own = await asyncio.to_thread(own_mask, garment.mask, fit, width, height, request.crop)
        return Layer(painted, own.fitted, own.original)
    if not request.paste_back:
        everything = np.zeros(painted.shape[:2], np.uint8)
        cut(everything, fit.placed)[:] = 255
        return Layer(painted, everything)
    return Layer(painted, await area_of(log.stages, prepared, painted, fit.placed))


def _put_on(
    request: TryOnRequest, person: Picture, fit: Fitted, layer: Layer, before: Dressed | None
) -> Dressed:
    """The canvas with one garment more, black in the padding; with paste-back only the mask changes."""
    canvas = np.zeros_like(person)
    made = pasted(layer.painted, person, seam_of(layer.mask)) if request.paste_back else layer.painted
    cut(canvas, fit.placed)[:] = cut(made, fit.placed)
    return Dressed(canvas, fit, (*(before.layers if before else ()), layer))


def _finished(request: TryOnRequest, dressed: Dressed) -> tuple[Picture, np.ndarray]:
    """The finished picture and its mask: at the original's size with paste-back, else the canvas's part.

    Each layer is pasted into the original separately, so every rim is blended once, with original pixels.
    """
    fit = dressed.fit
    if not request.paste_back:
        mask = np.maximum.reduce([layer.mask for layer in dressed.layers])
        return cut(dressed.canvas, fit.placed), cut(mask, fit.placed)
    picture, masks = fit.original, []
    for layer in dressed.layers:
        mask = fit.restore_mask(layer.mask) if layer.original is None else layer.original
        picture = pasted(fit.restore(layer.painted), picture, seam_of(mask))
        masks.append(mask)
    return picture, np.maximum.reduce(masks)
