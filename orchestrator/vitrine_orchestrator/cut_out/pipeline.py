"""The pipeline `cut_out`: from a picture to its product on a transparent ground."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.cut_out.alphas import alpha_of
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.letterbox import letterboxed, normalised
from vitrine_orchestrator.cut_out.request import CutOutRequest, cut_out_request
from vitrine_orchestrator.images.foreground import foreground
from vitrine_orchestrator.pictures import encode, encode_with_alpha
from vitrine_orchestrator.pipeline.request_context import read_aside, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.cut_out import NETWORK
from vitrine_orchestrator.wire.fields import Inputs


async def cut_out(context: CutOutContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `cut_out`; BadRequest says what is wrong, or that there is no product."""
    request = await read_aside(lambda: cut_out_request(context, inputs), inputs)
    stages = Timed(context.stages)
    with stages.measured("total"):
        alpha = await _alpha(stages, context, request)
        with stages.measured("foreground"):
            colours = await asyncio.to_thread(foreground, request.picture, alpha)
        with stages.measured("encode"):
            image, mask = await asyncio.gather(
                asyncio.to_thread(encode_with_alpha, colours, alpha, request.format),
                asyncio.to_thread(encode, alpha),
            )
    height, width = alpha.shape
    return {
        "image": text_array(b64encode(image) if request.as_text else image),
        "alpha": text_array(b64encode(mask) if request.as_text else mask),
        "report": report_array(
            stages.rounded(),
            {},
            size=[width, height],
            network=context.facts.network,
            area=round(float(alpha.mean()) / 255, 4),
            **context.origin,
        ),
    }


async def _alpha(stages: Timed, context: CutOutContext, request: CutOutRequest) -> NDArray[np.uint8]:
    """The product's alpha (height, width): 0 outside the box, and where the picture was transparent."""
    facts = context.facts
    fitted = await asyncio.to_thread(letterboxed, request.picture[request.part], facts.side)
    answer = (await stages(NETWORK, {"image": normalised(fitted.square, facts.mean, facts.std)[None]}))[
        "answer"
    ]
    shown = answer[0, 0][fitted.rows, fitted.columns]
    square = np.zeros((facts.side, facts.side), np.float32)
    square[fitted.rows, fitted.columns] = alpha_of(shown, facts.output)
    alpha = np.zeros(request.picture.shape[:2], np.uint8)
    alpha[request.part] = np.rint(fitted.restored(square) * 255)
    return alpha if request.sent_alpha is None else np.minimum(alpha, request.sent_alpha)
