"""The pipeline `try_on`: from person, garments and options to the finished picture."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from vitrine.errors import VitrineError

from vitrine_orchestrator.images.fitting import Fitted, fitted
from vitrine_orchestrator.images.paste_back import Seam, pasted, seam_of
from vitrine_orchestrator.person.own_mask import OwnMask, own_mask
from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.memo import Source
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, report_array, text_array
from vitrine_orchestrator.stages.calls import Arrays, Timed
from vitrine_orchestrator.stages.idm_vton import (
    FAMILY,
    GARMENT_CONDITIONING,
    PERSON_CONDITIONING,
    TEXT_CONDITIONING,
)
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.try_on_request import Garment, TryOnRequest, read_request
from vitrine_orchestrator.wire.fields import Inputs

FollowJob = Callable[[str, int], Coroutine[Any, Any, None]]
"""Reports the progress of a denoising job. Takes the job's name and the garment's index, from 0."""

LAST_EVENT_TIMEOUT_S = 1.0  # after the last step, wait at most this long for its progress event to be sent

PER_PERSON = tuple(tensor.name for tensor in PERSON_CONDITIONING)
PER_GARMENT = (*(tensor.name for tensor in GARMENT_CONDITIONING), "garment_key")
PER_TEXT = tuple(tensor.name for tensor in TEXT_CONDITIONING)


@dataclass(eq=False)
class RunLog:
    """What the report of a try-on is made of: seconds by stage, sources, and facts from `denoise`."""

    stages: Timed
    sources: dict[str, Source] = field(default_factory=dict)
    denoise: dict[str, object] = field(default_factory=dict)

    def add_report(self, outputs: Arrays) -> None:
        """Add the report of a prepare model. With several garments, the last one's source is kept."""
        report = read_report(outputs)
        self.sources |= report["sources"]
        for name, seconds in report["timings"].items():
            self.stages.seconds[name] += seconds


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


async def follow_nothing(job: str, garment: int) -> None:
    """Report no progress."""


async def try_on(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `try_on` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)
    return await run(context, request, RunLog(stages))


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
                _denoised(request, index, prepared, log, follow),
                asyncio.to_thread(_garment_mask, request, fit, prepared["mask"], own),
            )
            pixels = (await stages("vae_decoder", {"latents": latents[None]}))["pixels"][0]
            composite = _composited(prepared["image"], Layer(as_picture(pixels), area), composite)
        assert composite is not None, "a request has a garment"
        with stages.measured("encode"):
            image, mask = await _encoded(request, fit, composite)
    answered = fit.original if fit and request.paste_back else composite.picture
    to_wire = b64encode if request.as_text else bytes
    return {
        "image": text_array(to_wire(image)),
        "mask": text_array(to_wire(mask)),
        "seed": np.array([request.seed], np.uint64),
        "report": report_array(
            stages.rounded(),
            log.sources,
            **log.denoise,
            seed=request.seed,
            steps=request.steps,
            size=[answered.shape[1], answered.shape[0]],
            mask=_masks_by(request),
            **context.origin,
        ),
    }


def _masks_by(request: TryOnRequest) -> str | list[str]:
    """Whether masks were found or are the caller's: one word if all are alike, else one for each garment."""
    by = ["found" if garment.mask is None else "caller's" for garment in request.garments]
    return by[0] if len(set(by)) == 1 else by


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
        "crop": text_array("squash"),
        "model": text_array(FAMILY),
    }
    if current is not None:
        person["person_raw"] = current
    if own is not None:
        person["mask"] = text_array(encode(own.fitted, "png"))
    person |= _which_person(request, fit)
    if first and request.person_id:
        person["person_id"] = text_array(request.person_id)
    answers = await asyncio.gather(
        log.stages("prepare_person", person),
        log.stages("prepare_garment", _garment_inputs(garment)),
        log.stages("prepare_text", {"description": text_array(garment.description)}),
    )
    for answer in answers:
        log.add_report(answer)
    return {name: array for answer in answers for name, array in answer.items() if name != "report"}


def _which_person(request: TryOnRequest, fit: Fitted | None) -> dict[str, np.ndarray]:
    """The inputs for the caller's choice among several people; a point is in the checkpoint's pixels."""
    if request.person_index is not None:
        return {"person_index": np.array([request.person_index], np.int32)}
    if request.person_point is None:
        return {}
    point = request.person_point if fit is None else fit.point(*request.person_point)
    return {"person_point": np.array(point, np.int32)}


def _garment_inputs(garment: Garment) -> dict[str, np.ndarray]:
    inputs = {"model": text_array(FAMILY)}
    if garment.encoded is not None:
        inputs["garment"] = text_array(garment.encoded)
    if garment.raw is not None:
        inputs["garment_raw"] = garment.raw
    if garment.id is not None:
        inputs["garment_id"] = text_array(garment.id)
    return inputs


async def _denoised(
    request: TryOnRequest, index: int, prepared: Mapping[str, np.ndarray], log: RunLog, follow: FollowJob
) -> np.ndarray:
    """The latents (4, h, w) of one job; the job is cancelled when the caller cancels the request."""
    job = uuid.uuid4().hex
    wanted = (*PER_PERSON, *PER_GARMENT, *PER_TEXT)
    following = asyncio.create_task(follow(job, index))
    try:
        answer = await log.stages(
            "denoise",
            {
                **{name: prepared[name] for name in wanted},
                "seed": np.array([request.seed], np.uint64),
                "steps": np.array([request.steps], np.int32),
                "guidance": np.array([request.guidance], np.float32),
                "scheduler": text_array(request.scheduler),
                "family": text_array(FAMILY),
                "job": text_array(job),
            },
        )
        await asyncio.wait([following], timeout=LAST_EVENT_TIMEOUT_S)
    except asyncio.CancelledError:
        await asyncio.shield(_cancel(log, job))
        raise
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)  # an error in reporting cannot fail the job
    report = read_report(answer)
    log.denoise = {name: report[name] for name in ("scheduler", "rows_per_call") if name in report}
    log.stages.seconds["queue"] += report.get("timings", {}).get("queue", 0.0)
    return answer["latents"]


async def _cancel(log: RunLog, job: str) -> None:
    """Cancel the job before its next step; does nothing when the job has already ended."""
    try:
        await log.stages("denoise", {"job": text_array(job), "cancel": np.array([True])})
    except VitrineError:
        return


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


async def _encoded(request: TryOnRequest, fit: Fitted | None, composite: Composite) -> tuple[bytes, bytes]:
    """The encoded picture and its encoded mask."""
    picture, mask = composite.picture, composite.mask
    if fit is not None and request.paste_back:
        picture, mask = await asyncio.to_thread(_restored, fit, composite)
    image, encoded_mask = await asyncio.gather(
        asyncio.to_thread(encode, picture, request.format), asyncio.to_thread(encode, mask, "png")
    )
    return image, encoded_mask


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
