"""The pipeline `compose`: from a scene and cut-out products to one picture."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping

import numpy as np

from vitrine_orchestrator.ad_prompts.endpoint import Endpoint
from vitrine_orchestrator.ad_prompts.proposing import Proposed, proposed
from vitrine_orchestrator.compose.request import ComposeRequest, compose_request
from vitrine_orchestrator.composition.colours import Match
from vitrine_orchestrator.composition.compose import Composition, put_into
from vitrine_orchestrator.composition.products import Placed
from vitrine_orchestrator.composition.seen_scenes import SeenScenes
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import (
    PlainContext,
    read_aside,
    report_array,
    text_array,
)
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs

QUESTION = (
    "This picture is an empty scene for an advertisement. Where would {count} stand best: on the ground or"
    " table, large enough to be seen, and covering little that matters? Each box is as wide and high as its"
    " product may be, and ends below where the product stands."
)


async def compose(
    context: PlainContext,
    inputs: Inputs,
    vision: Endpoint | None = None,
    scenes: SeenScenes | None = None,
) -> dict[str, np.ndarray]:
    """The outputs of the model `compose`; BadRequest says what is wrong with the inputs.

    vision: the model that proposes places where a request asks for it.
    scenes: where scenes of former requests are found, such as that of an ad's other products.
    All work on pixels is done in a thread: the loop stays free for other requests.
    """
    request = await read_aside(lambda: compose_request(context, inputs, scenes or SeenScenes()), inputs)
    stages = Timed(context.stages)
    with stages.measured("total"):
        asked = await _asked(vision, request, stages)
        with stages.measured("composition"):
            boxes = asked.boxes if asked else ()
            made = await asyncio.to_thread(put_into, request.scene, request.products, request.settings, boxes)
        with stages.measured("encode"):
            files = await asyncio.to_thread(_encoded, made, request)
    return {
        **{name: text_array(b64encode(file) if request.as_text else file) for name, file in files.items()},
        "report": report_array(stages.rounded(), {}, **_told(made, request, asked)),
    }


def _encoded(made: Composition, request: ComposeRequest) -> dict[str, bytes]:
    """The pictures of the answer by output."""
    return {
        "image": encode(made.picture, request.format),
        "alpha": encode(made.alpha),
        "shadow": encode(made.shadow),
    }


async def _asked(vision: Endpoint | None, request: ComposeRequest, stages: Timed) -> Proposed | None:
    """The places that the model proposes; None where it is not asked."""
    if request.settings.placed_by != "model" or request.settings.placements:
        return None
    count = len(request.products)
    shapes = ", ".join(f"{one.width / one.height:.2f}" for one in request.products)
    products = f"{count} product{'s' if count > 1 else ''} (width by height: {shapes})"
    with stages.measured("vision"):
        return await proposed(vision, request.scene.picture, QUESTION.format(count=products))


def _told(made: Composition, request: ComposeRequest, asked: Proposed | None) -> Mapping[str, object]:
    """What was found and done, for the report."""
    height, width = made.alpha.shape
    products = [
        _product(one, match, width, height) for one, match in zip(made.placed, made.matches, strict=True)
    ]
    placed_by: dict[str, object] = {}
    if asked:
        told = asked.told | ({"fallback": made.refused} if made.refused else {})
        placed_by = {"placed_by": {"way": "search" if told["fallback"] else "model", **told}}
    return {
        **placed_by,
        "size": [width, height],
        "light": {"side": made.light.side, "slope": round(made.light.slope, 4)},
        "ground": {"horizon": made.ground.horizon, "y": round(made.ground.y, 4)},
        "shadow": request.settings.shadow,
        "products": products,
    }


def _product(one: Placed, match: Match, width: int, height: int) -> dict[str, object]:
    """One product in the report; its placement gives the same place again."""
    return {
        "product": one.index,
        "box": [one.left, one.top, one.right, one.base],
        "placement": {
            "x": (one.left + one.product.width / 2) / width,
            "y": one.base / height,
            "scale": one.product.height / height,
            "order": one.order,
        },
        "match": {
            "before": round(match.before, 3),
            "after": round(match.after, 3),
            "shift": [round(value, 3) for value in match.shift],
        },
    }
