"""The options of try-ons and of what prepares them, and their tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from vitrine.errors import BadRequest
from vitrine.pictures import Picture, encode_picture, encode_pictures
from vitrine.tensors import byte_tensor, listed, number, texts, utf8, whole_numbers


class TryOnOptions(TypedDict, total=False):
    """The options of a try-on; an omitted option has the server's default."""

    person: Picture | None  # the person's picture; required without person_id
    person_id: str | None  # a person whose data are in the server's object store
    person_index: int | None  # person among several in the picture: 0 is the largest, 1 the next
    person_point: Sequence[int] | None  # or the person at this x, y in pixels of the upright picture
    mask: Picture | Sequence[Picture | None] | None  # the caller's mask, one per garment: white is repainted
    garment: Picture | Sequence[Picture] | None  # one garment, or several for a full outfit
    garment_id: str | Sequence[str] | None
    category: str | Sequence[str] | None  # "upper_body", "lower_body" or "dresses", one for each garment
    description: str | Sequence[str] | None  # such as "short sleeve shirt", one for each garment
    steps: int | None  # denoising steps, 1 to 100
    seed: int | None  # 0 to 2**64-1; random and reported if omitted
    guidance: float | None  # 0 to 20; 1 or less turns guidance off
    paste_back: bool | None  # keep the pixels outside the mask exactly as they were
    crop: str | None  # "fit", "crop" or "squash": how a picture of another shape is fitted
    format: str | None  # "png", "jpeg" or "webp"
    scheduler: str | None  # "checkpoint", "ddpm", "ddim" or "euler"
    garment_photo_type: str | Sequence[str] | None  # "auto", "flat-lay" or "model", one for each garment
    model: str | None  # "idm_vton" or "fashn", where a server has several; see docs/calling.md


def try_on_inputs(
    *,
    person: Picture | None = None,
    person_id: str | None = None,
    person_index: int | None = None,
    person_point: Sequence[int] | None = None,
    mask: Picture | Sequence[Picture | None] | None = None,
    garment: Picture | Sequence[Picture] | None = None,
    garment_id: str | Sequence[str] | None = None,
    category: str | Sequence[str] | None = None,
    description: str | Sequence[str] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    guidance: float | None = None,
    paste_back: bool | None = None,
    crop: str | None = None,
    format: str | None = None,
    scheduler: str | None = None,
    model: str | None = None,
    garment_photo_type: str | Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the models `try_on` and `try_on_stream`; see TryOnOptions."""
    inputs = _person(person, person_id) | _garments(garment, garment_id)
    count = max(len(inputs[name]) for name in ("garment", "garment_id") if name in inputs)
    inputs |= _which_person(person_index, person_point) | _masks(mask, count)
    inputs |= texts("category", category, count) | texts("description", description, count)
    inputs |= texts("garment_photo_type", garment_photo_type, count)
    inputs |= texts("crop", crop) | texts("format", format) | texts("scheduler", scheduler)
    inputs |= texts("model", model)
    inputs |= number("steps", steps, np.int32) | number("seed", seed, np.uint64)
    inputs |= number("guidance", guidance, np.float32)
    if paste_back is not None:
        inputs["paste_back"] = np.array([bool(paste_back)])
    return inputs


def prepare_person_inputs(
    *,
    person: Picture | None = None,
    person_id: str | None = None,
    person_index: int | None = None,
    person_point: Sequence[int] | None = None,
    mask: Picture | None = None,
    category: str = "upper_body",
    crop: str | None = None,
    model: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_person`."""
    inputs = _person(person, person_id) | _which_person(person_index, person_point) | _masks(mask, 1)
    return inputs | texts("category", category, 1) | texts("crop", crop) | texts("model", model)


def prepare_garment_inputs(
    *,
    garment: Picture | None = None,
    garment_id: str | None = None,
    category: str | None = None,
    garment_photo_type: str | None = None,
    model: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_garment`, for one garment."""
    inputs = _garments(garment, garment_id) | texts("category", category, 1)
    inputs |= texts("garment_photo_type", garment_photo_type, 1)
    if any(len(tensor) != 1 for tensor in inputs.values()):
        raise BadRequest("prepare_garment takes one garment; call it once for each")
    return inputs | texts("model", model)


def prepare_text_inputs(*, description: str, model: str | None = None) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_text`."""
    if description is None:
        raise BadRequest("description must be given: say what the garment is")
    return texts("description", description, 1) | texts("model", model)


def _person(person: Picture | None, person_id: str | None) -> dict[str, np.ndarray]:
    if person is None and person_id is None:
        raise BadRequest("person or person_id must be given")
    inputs = texts("person_id", person_id)
    if person is not None:
        inputs["person"] = byte_tensor([encode_picture(person, "person")])
    return inputs


def _which_person(index: int | None, point: Sequence[int] | None) -> dict[str, np.ndarray]:
    """Return the inputs that choose one of several people; the server checks that the person exists."""
    if index is not None and point is not None:
        raise BadRequest("person_index and person_point must not both be given")
    if point is None:
        return number("person_index", index, np.int32)
    return whole_numbers("person_point", point, ("x", "y"))


def _masks(mask: Picture | Sequence[Picture | None] | None, count: int) -> dict[str, np.ndarray]:
    """Return one mask per garment; None lets the server compute that garment's mask."""
    if mask is None:
        return {}
    masks = mask if isinstance(mask, list | tuple) else [mask]
    if len(masks) != count:
        raise BadRequest(f"mask must be one for each of {count} garments, got {len(masks)}")
    return {"mask": byte_tensor([b"" if one is None else encode_picture(one, "mask") for one in masks])}


def _garments(
    garment: Picture | Sequence[Picture] | None, garment_id: str | Sequence[str] | None
) -> dict[str, np.ndarray]:
    inputs = {}
    if garment is not None:
        inputs["garment"] = byte_tensor(encode_pictures(garment, "garment"))
    if garment_id is not None:
        ids = listed("garment_id", garment_id)
        inputs["garment_id"] = byte_tensor([utf8("garment_id", one) for one in ids])
    if not inputs or not all(len(tensor) for tensor in inputs.values()):
        raise BadRequest("garment or garment_id must be given, at least one")
    if len({len(tensor) for tensor in inputs.values()}) > 1:
        raise BadRequest("garment and garment_id must be as many as each other")
    return inputs
