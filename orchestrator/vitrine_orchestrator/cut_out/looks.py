"""How the network looks at a picture: as it is, and, where that leaves doubts, in raised contrast.

A white product on white, or a black one on black, uses few levels. Networks that were trained on ordinary
photographs then find a part of it or nothing, and find it once the levels are spread: see docs/decisions.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import cv2
import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.cut_out.alphas import alpha_of
from vitrine_orchestrator.cut_out.doubts import SOFT, Found, softness
from vitrine_orchestrator.cut_out.facts import CutOutFacts
from vitrine_orchestrator.cut_out.letterbox import Letterbox, letterboxed, normalised
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.cut_out import NETWORK

ENDS = (1, 99)
"""The percentiles of the levels that become black and white."""
LEAST_RANGE = 24
"""Fewer levels between them are taken for as many, so that noise alone is not spread over all."""
MOST_RANGE = 220
"""A picture that uses more levels looks the same in raised contrast."""
BLUR = 0.8
"""Standard deviation in pixels of the square: what is left of noise would be raised as well."""


@dataclass(frozen=True, eq=False)
class Look:
    """What the network found in a picture."""

    found: Found
    raised: bool  # whether it looked at the picture in raised contrast


async def looked(stages: Stages, facts: CutOutFacts, picture: Picture) -> Look:
    """The surer of both looks; the second is taken only in doubt. BadRequest where none shows a product.

    What is seen in raised contrast alone counts only if it is sure: noise and empty walls have shapes too.
    """
    fitted = await asyncio.to_thread(letterboxed, picture, facts.side)
    first = await _look(stages, facts, fitted, fitted.square)
    if not isinstance(first, BadRequest) and softness(first) < SOFT:
        return Look(first, raised=False)
    spread = raised_contrast(fitted.square[fitted.rows, fitted.columns], fitted.square)
    second = first if spread is None else await _look(stages, facts, fitted, spread)
    needed = SOFT if isinstance(first, BadRequest) else softness(first)
    if not isinstance(second, BadRequest) and softness(second) < needed:
        return Look(second, raised=True)
    if isinstance(first, BadRequest):
        raise first
    return Look(first, raised=False)


def raised_contrast(shown: Picture, square: Picture) -> Picture | None:
    """The square with the levels that it shows spread over all; None where they are spread already."""
    low, high = np.percentile(shown, ENDS)
    if high - low > MOST_RANGE:
        return None
    smooth = cv2.GaussianBlur(square, (0, 0), BLUR).astype(np.float32)
    return np.clip((smooth - low) * (255 / max(high - low, LEAST_RANGE)), 0, 255).astype(np.uint8)


async def _look(stages: Stages, facts: CutOutFacts, fitted: Letterbox, square: Picture) -> Found | BadRequest:
    """What the network finds in a square, or why that is no product."""
    image = normalised(square, facts.mean, facts.std)[None]
    answer = (await stages(NETWORK, {"image": image}))["answer"]
    try:
        return alpha_of(fitted.shown(answer[0, 0]), facts.output)
    except BadRequest as error:
        return error
