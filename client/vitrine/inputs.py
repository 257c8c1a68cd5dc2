"""Turns options into named tensors. Pure functions, shared by the sync and the async client."""

from __future__ import annotations

import numpy as np

from vitrine.picture_inputs import (
    ChangeOptions,
    PictureOptions,
    PictureStreamOptions,
    cut_out_inputs,
    image_to_image_inputs,
    picture_stream_inputs,
    picture_tensors,
    text_to_image_inputs,
)
from vitrine.tensors import Tensors, byte_tensor, texts, utf8
from vitrine.try_on_inputs import (
    TryOnOptions,
    prepare_garment_inputs,
    prepare_person_inputs,
    prepare_text_inputs,
    try_on_inputs,
)

__all__ = [
    "ChangeOptions",
    "PictureOptions",
    "PictureStreamOptions",
    "Tensors",
    "TryOnOptions",
    "byte_tensor",
    "cache_inputs",
    "cut_out_inputs",
    "image_to_image_inputs",
    "picture_stream_inputs",
    "picture_tensors",
    "prepare_garment_inputs",
    "prepare_person_inputs",
    "prepare_text_inputs",
    "text_to_image_inputs",
    "try_on_inputs",
    "utf8",
]


def cache_inputs(
    action: str, *, person_id: str | None = None, garment_id: str | None = None, everything: bool = False
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `cache_control`; the server checks their combination."""
    inputs = texts("action", action) | texts("person_id", person_id) | texts("garment_id", garment_id)
    return inputs | ({"everything": np.array([True])} if everything else {})
