"""The outputs of the model `try_on`, the same for every family: picture, mask, seed and report."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import numpy as np

from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.denoising import RunLog
from vitrine_orchestrator.pipeline.request_context import Context, report_array, text_array
from vitrine_orchestrator.pipeline.try_on_request import Garment, TryOnRequest


async def encoded(request: TryOnRequest, picture: Picture, mask: np.ndarray) -> tuple[bytes, bytes]:
    """The picture in the request's format, and the mask (H, W) 0/255 as PNG."""
    image, encoded_mask = await asyncio.gather(
        asyncio.to_thread(encode, picture, request.format), asyncio.to_thread(encode, mask, "png")
    )
    return image, encoded_mask


def answer(
    context: Context,
    request: TryOnRequest,
    log: RunLog,
    files: tuple[bytes, bytes],
    size: tuple[int, int],
    **more: object,
) -> dict[str, np.ndarray]:
    """The outputs of `try_on`.

    files: the encoded picture and its encoded mask.
    size: width and height of the picture in px.
    more: entries of the report that the family adds.
    """
    to_wire = b64encode if request.as_text else bytes
    return {
        "image": text_array(to_wire(files[0])),
        "mask": text_array(to_wire(files[1])),
        "seed": np.array([request.seed], np.uint64),
        "report": report_array(
            log.stages.rounded(),
            log.sources,
            **log.denoise,
            seed=request.seed,
            steps=request.steps,
            size=list(size),
            **more,
            **context.origin,
        ),
    }


def masks_by(request: TryOnRequest, made: str) -> str | list[str]:
    """How each mask was made: `made` or "caller's"; one word if all are alike, else one for each garment."""
    by = [made if garment.mask is None else "caller's" for garment in request.garments]
    return by[0] if len(set(by)) == 1 else by


def known_person(request: TryOnRequest) -> dict[str, np.ndarray]:
    """The inputs of `prepare_person` for the id, if any: crop, and digest of the picture as sent."""
    if not request.person_id:
        return {}
    named = {
        "person_id": request.person_id,
        "person_digest": request.person_digest,
        "crop": request.crop,
    }
    return {name: text_array(value) for name, value in named.items() if value}


def garment_inputs(garment: Garment) -> dict[str, np.ndarray]:
    """The inputs of `prepare_garment` that hold a garment's picture and id."""
    inputs = {}
    if garment.encoded is not None:
        inputs["garment"] = text_array(garment.encoded)
    if garment.raw is not None:
        inputs["garment_raw"] = garment.raw
    if garment.id is not None:
        inputs["garment_id"] = text_array(garment.id)
    return inputs
