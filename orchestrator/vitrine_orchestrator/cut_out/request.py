"""Reads a request of `cut_out`, and checks its limits before any work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.pictures import (
    WITH_ALPHA,
    AlphaFormat,
    Limits,
    Picture,
    check_sides,
    checked,
    decode_with_alpha,
)
from vitrine_orchestrator.pipeline.request_context import picture_digest
from vitrine_orchestrator.stages.cut_out import LEAST_PRODUCT_SIDE, MOST_PRODUCT_SIDE
from vitrine_orchestrator.wire.fields import Inputs, as_text, number, pictures, word

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are exclusive


@dataclass(frozen=True)
class Choices:
    """What a request asks for beside its picture."""

    box: Box | None  # the part in which the product is searched; None: the whole picture
    product_side: int | None  # the longest side of an answer that shows the product alone; None: all
    format: AlphaFormat
    as_text: bool  # whether the answer's pictures are base64 text

    @property
    def shaping(self) -> str:
        """What of the choices changes the kept answer, as text."""
        return f"{self.box} {self.product_side} {self.format}"


@dataclass(frozen=True, eq=False)
class CutOutRequest:
    """A checked request with its picture."""

    picture: Picture  # (height, width, 3), on white where it was transparent
    sent_alpha: NDArray[np.uint8] | None  # (height, width) of a picture with transparency
    box: Box  # the part in which the product is searched
    choices: Choices

    @property
    def part(self) -> tuple[slice, slice]:
        """The rows and columns of the box."""
        left, top, right, bottom = self.box
        return slice(top, bottom), slice(left, right)


def choices_of(inputs: Inputs) -> Choices:
    """What the inputs of `cut_out` ask for; BadRequest names the input, the rule and the value."""
    side = int(number(inputs, "product_side", LEAST_PRODUCT_SIDE, MOST_PRODUCT_SIDE, 0)) or None
    return Choices(_box(inputs), side, word(inputs, "format", WITH_ALPHA, "png"), as_text(inputs))


def content_of(inputs: Inputs) -> str:
    """Hexadecimal SHA-256 of the picture in the inputs as it was sent; BadRequest unless there is one.

    The file's bytes count and not its pixels, so that a known picture need not be decoded.
    """
    sent, raw = pictures(inputs, "image"), inputs.get("image_raw")
    if raw is not None:
        if sent:
            raise BadRequest("image and image_raw must not both be given")
        return picture_digest(raw)
    if len(sent) != 1:
        raise BadRequest(f"image must be one picture, or image_raw must be given; got {len(sent)}")
    return hashlib.sha256(sent[0]).hexdigest()


def cut_out_request(context: CutOutContext, inputs: Inputs, choices: Choices) -> CutOutRequest:
    """The request with its decoded picture; BadRequest names the input, the rule and the value."""
    picture, alpha = _picture(inputs, context.limits)
    height, width = picture.shape[:2]
    check_sides(picture, "image", choices.format)
    box = choices.box or (0, 0, width, height)
    _check_box(box, picture, context.limits.min_side)
    return CutOutRequest(picture=picture, sent_alpha=alpha, box=box, choices=choices)


def _picture(inputs: Inputs, limits: Limits) -> tuple[Picture, NDArray[np.uint8] | None]:
    raw = inputs.get("image_raw")
    if raw is not None:
        return checked(raw, "image_raw", limits), None
    return decode_with_alpha(pictures(inputs, "image")[0], "image", limits)


def _box(inputs: Inputs) -> Box | None:
    if "box" not in inputs:
        return None
    given = inputs["box"].reshape(-1).tolist()
    if len(given) != 4:
        raise BadRequest(f"box must be left, top, right and bottom, got {len(given)} numbers")
    left, top, right, bottom = given
    return left, top, right, bottom


def _check_box(box: Box, picture: Picture, least: int) -> None:
    """BadRequest for a box that is not in the picture, or too small."""
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadRequest(f"box must lie in the picture of {width}x{height}, got {list(box)}")
    if min(right - left, bottom - top) < least:
        raise BadRequest(
            f"box must be at least {least} pixels wide and high, got {right - left}x{bottom - top}"
        )
