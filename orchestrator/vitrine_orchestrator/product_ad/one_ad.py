"""One ad: a scene and cut-out products are composed, harmonised if asked for, and get their texts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import text_array
from vitrine_orchestrator.product_ad.nodes import COMPOSE, TEXT
from vitrine_orchestrator.product_ad.request import AdRequest
from vitrine_orchestrator.product_ad.run import Run
from vitrine_orchestrator.product_ad.scenes import Words, harmonised, opened, opened_grey, put_back

SHADE = 24
"""The share of light, of 255, from which a shadow is kept clear of texts like the product itself."""
UNTOLD = ("timings", "sources", "versions")
"""What a stage's report has that the whole report has in another place."""

OnPicture = Callable[[bytes], None]
"""Given the encoded picture of an ad as soon as it exists, without its texts."""


@dataclass(frozen=True, eq=False)
class Ad:
    """A finished ad, encoded; its pictures are PNG."""

    image: bytes
    origin: bytes  # without texts
    alpha: bytes  # of the products
    told: Mapping[str, Any]  # its part of the report


async def one_ad(
    run: Run,
    request: AdRequest,
    words: Words,
    scene: bytes,
    products: Sequence[bytes],
    of: str,
    on_picture: OnPicture | None = None,
) -> Ad:
    """The ad of these encoded products in an encoded scene; `of` names it in the report."""
    inputs = {"scene": text_array(scene), "product": np.array(list(products), np.object_)}
    if request.settings:
        inputs["settings"] = text_array(request.settings)
    outputs, report = await run.call(COMPOSE, of, inputs)
    origin, alpha = outputs["image"][0], outputs["alpha"][0]
    if on_picture:
        on_picture(origin)
    if request.harmonise:
        origin = await _harmonised(run, request, words, origin, alpha, of)
        if on_picture:
            on_picture(origin)
    told: dict[str, Any] = {"ad": of, "composition": _told(report)}
    if request.texts is None:
        return Ad(origin, origin, alpha, told)
    keep_clear = await asyncio.to_thread(_keep_clear, alpha, outputs["shadow"][0])
    texts = {"image": text_array(origin), "texts": text_array(request.texts), "keep_clear": keep_clear}
    written, report = await run.call(TEXT, of, texts)
    return Ad(written["image"][0], origin, alpha, told | {"text": _told(report)})


async def _harmonised(
    run: Run, request: AdRequest, words: Words, origin: bytes, alpha: bytes, of: str
) -> bytes:
    composed = await asyncio.to_thread(opened, origin)
    changed = await harmonised(run, request, words, composed, of)
    return await asyncio.to_thread(lambda: encode(put_back(composed, changed, opened_grey(alpha))))


def _keep_clear(alpha: bytes, shadow: bytes) -> NDArray[np.uint8]:
    """Where no text may be, (height, width): on products and on what is clearly shadow."""
    return np.where(opened_grey(shadow) >= SHADE, np.uint8(255), opened_grey(alpha))


def _told(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in UNTOLD}
