"""Reads a request of `cut_out`, and checks its limits before any work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.pictures import WITH_ALPHA, AlphaFormat, Limits, Picture, checked, decode_with_alpha
from vitrine_orchestrator.wire.fields import Inputs, as_text, pictures, word

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are exclusive


@dataclass(frozen=True, eq=False)
class CutOutRequest:
    """A checked request."""

    picture: Picture  # (height, width, 3), on white where it was transparent
    sent_alpha: NDArray[np.uint8] | None  # (height, width) of a picture with transparency
    box: Box  # the part in which the product is searched
    format: AlphaFormat
    as_text: bool  # whether the answer's pictures are base64 text

    @property
    def part(self) -> tuple[slice, slice]:
        """The rows and columns of the box."""
        left, top, right, bottom = self.box
        return slice(top, bottom), slice(left, right)


def cut_out_request(context: CutOutContext, inputs: Inputs) -> CutOutRequest:
    """The request in the inputs of `cut_out`; BadRequest names the input, the rule and the value."""
    kind = word(inputs, "format", tuple(WITH_ALPHA), "png")
    picture, alpha = _picture(inputs, context.limits)
    height, width = picture.shape[:2]
    if max(width, height) > WITH_ALPHA[kind]:
        raise BadRequest(
            f"image must be at most {WITH_ALPHA[kind]} pixels wide and high for {kind}, got {width}x{height}"
        )
    return CutOutRequest(
        picture=picture,
        sent_alpha=alpha,
        box=_box(inputs, picture, context.limits.min_side),
        format=kind,
        as_text=as_text(inputs),
    )


def _picture(inputs: Inputs, limits: Limits) -> tuple[Picture, NDArray[np.uint8] | None]:
    sent, raw = pictures(inputs, "image"), inputs.get("image_raw")
    if raw is not None:
        if sent:
            raise BadRequest("image and image_raw must not both be given")
        return checked(raw, "image_raw", limits), None
    if len(sent) != 1:
        raise BadRequest(f"image must be one picture, or image_raw must be given; got {len(sent)}")
    return decode_with_alpha(sent[0], "image", limits)


def _box(inputs: Inputs, picture: Picture, least: int) -> Box:
    """The box of the request, or the whole picture."""
    height, width = picture.shape[:2]
    if "box" not in inputs:
        return 0, 0, width, height
    given = inputs["box"].reshape(-1).tolist()
    if len(given) != 4:
        raise BadRequest(f"box must be left, top, right and bottom, got {len(given)} numbers")
    left, top, right, bottom = given
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadRequest(f"box must lie in the picture of {width}x{height}, got {given}")
    if min(right - left, bottom - top) < least:
        raise BadRequest(
            f"box must be at least {least} pixels wide and high, got {right - left}x{bottom - top}"
        )
    return left, top, right, bottom
