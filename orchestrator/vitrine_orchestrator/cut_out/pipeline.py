"""The pipeline `cut_out`: from a picture to its product on a transparent ground.

An answer is kept by the digest of the picture's bytes: a photograph that was cut out before is not decoded.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping

import numpy as np

from vitrine_orchestrator.cut_out.cache_rows import CUT_OUT
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.doubts import Found, doubts_of, softness
from vitrine_orchestrator.cut_out.layers import Layer, alone, whole
from vitrine_orchestrator.cut_out.looks import Look, looked
from vitrine_orchestrator.cut_out.request import (
    Choices,
    CutOutRequest,
    choices_of,
    content_of,
    cut_out_request,
)
from vitrine_orchestrator.images.foreground import foreground
from vitrine_orchestrator.pictures import encode, encode_with_alpha
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    get_or_prepare,
    recipe_digest,
)
from vitrine_orchestrator.pipeline.request_context import read_aside, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs

FORM = "2"
"""Another one where the work on a network's answer changes, so that answers of before are not found."""


async def cut_out(context: CutOutContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `cut_out`; BadRequest says what is wrong, or that there is no product."""
    choices = choices_of(inputs)
    content = await read_aside(lambda: content_of(inputs), inputs)
    stages = Timed(context.stages)

    async def prepare() -> dict[str, np.ndarray]:
        request = await read_aside(lambda: cut_out_request(context, inputs, choices), inputs)
        return await _made(stages, context, request) | content_array(content)

    recipe = recipe_digest("cut_out", context.manifest.pipeline_digest, FORM, choices.shaping)
    with stages.measured("total"):
        kept, source = await get_or_prepare(context.memo, PreparedItem(CUT_OUT, recipe, content), prepare)
    return {
        **{name: _file(kept[name], choices) for name in ("image", "alpha")},
        "report": report_array(
            stages.rounded(),
            {CUT_OUT: source},
            network=context.facts.network,
            **json.loads(kept["told"].tobytes()),
            **context.origin,
        ),
    }


async def _made(stages: Timed, context: CutOutContext, request: CutOutRequest) -> dict[str, np.ndarray]:
    """The arrays of an answer that are kept: see cache_rows.py."""
    look = await looked(stages, context.facts, request.picture[request.part])
    with stages.measured("alpha"):
        layer = await asyncio.to_thread(_layer, request, look.found)
    with stages.measured("foreground"):
        colours = (await asyncio.to_thread(foreground, layer.picture, layer.alpha))[layer.shown]
        alpha = np.ascontiguousarray(layer.alpha[layer.shown])
    with stages.measured("encode"):
        image, mask = await asyncio.gather(
            asyncio.to_thread(encode_with_alpha, colours, alpha, request.choices.format),
            asyncio.to_thread(encode, alpha),
        )
    return {"image": _levels(image), "alpha": _levels(mask), "told": _levels(_told(alpha, look))}


def _layer(request: CutOutRequest, found: Found) -> Layer:
    """The picture with the product's alpha; scaled and cut to the product where that is asked for."""
    side = request.choices.product_side
    return whole(request, found) if side is None else alone(request, found, side)


def _told(alpha: np.ndarray, look: Look) -> bytes:
    """What the report says of the picture, as JSON."""
    height, width = alpha.shape
    told: Mapping[str, object] = {
        "size": [width, height],
        "area": round(float(alpha.mean()) / 255, 4),
        "softness": round(softness(look.found), 4),
        "doubts": [one.told() for one in doubts_of(look.found, look.raised)],
    }
    return json.dumps(told).encode()


def _levels(file: bytes) -> np.ndarray:
    return np.frombuffer(file, np.uint8)


def _file(levels: np.ndarray, choices: Choices) -> np.ndarray:
    file = levels.tobytes()
    return text_array(b64encode(file) if choices.as_text else file)
