"""Reads a request of `text_overlay`, and checks its limits before any work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.options import TextOptions, read_texts
from vitrine_orchestrator.pictures import SAVING, Format, Picture, check_sides
from vitrine_orchestrator.pipeline.request_context import one_picture
from vitrine_orchestrator.wire.fields import Inputs, as_text, encoded, word


@dataclass(frozen=True, eq=False)
class TextRequest:
    """A checked request."""

    picture: Picture  # (height, width, 3)
    texts: tuple[TextOptions, ...]
    keep_clear: NDArray[np.uint8] | None  # (height, width); 0 is free
    format: Format
    as_text: bool  # whether the answer's picture is base64 text


def text_request(context: TextContext, inputs: Inputs) -> TextRequest:
    """The request in the inputs of `text_overlay`; BadRequest names the input, the rule and the value."""
    texts, kind = sent_texts(inputs), word(inputs, "format", tuple(SAVING), "png")
    picture = one_picture(inputs, "image", context.limits)
    if picture is None:
        raise BadRequest("image or image_raw must be given")
    check_sides(picture, "image", kind)
    return TextRequest(picture, texts, keep_clear(inputs, picture), kind, as_text(inputs))


def sent_texts(inputs: Inputs) -> tuple[TextOptions, ...]:
    """The texts of a request, checked but for what fonts and picture decide."""
    sent = encoded(inputs, "texts")
    if len(sent) != 1:
        raise BadRequest(f"texts must be given once, as a JSON list, got {len(sent)}")
    return read_texts(sent[0])


def keep_clear(inputs: Inputs, picture: Picture) -> NDArray[np.uint8] | None:
    """What texts must not cover, (height, width), 0 is free; None where nothing is given."""
    if "keep_clear" not in inputs:
        return None
    mask = inputs["keep_clear"]
    if mask.dtype != np.uint8 or mask.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise BadRequest(
            f"keep_clear must be uint8 of the picture's height and width, {height} and {width}, "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    return mask
