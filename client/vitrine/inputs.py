"""Turns options into named tensors. Pure functions, shared by the sync and the async client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Required, TypeAlias, TypedDict, Unpack

import numpy as np

from vitrine.errors import BadRequest
from vitrine.pictures import Picture, encode_picture, encode_pictures

Tensors: TypeAlias = Mapping[str, np.ndarray]
"""Tensors by name; BYTES tensors are object arrays of bytes."""


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


class PictureOptions(TypedDict, total=False):
    """The options of a picture from a prompt; an omitted option has the server's default."""

    prompt: Required[str]  # what the picture shows
    negative_prompt: str | None  # what it must not show; needs a guidance of more than 0, and not with FLUX
    width: int | None  # in pixels, with height: multiples of 16
    height: int | None
    aspect_ratio: str | None  # instead of both: "1:1", "4:5", "16:9", …
    n: int | None  # pictures of the request, 1 to 8: picture i has the seed `seed` + i
    steps: int | None  # denoising steps, 1 to 100
    seed: int | None  # 0 to 2**64-1; random and reported if omitted
    guidance: float | None  # 0 to 20; 0 turns it off
    scheduler: str | None  # "checkpoint" or "flow"
    lora: str | Mapping[str, float] | None  # an adapter of the server's registry, or several with weights
    format: str | None  # "png", "jpeg" or "webp"
    model: str | None  # "z-image" or "flux", where a server has several; see docs/prompts.md


class ChangeOptions(PictureOptions, total=False):
    """The options of a picture from a picture and a prompt."""

    image: Required[Picture]  # the picture to change
    strength: float | None  # above 0 to 1: how much is changed; 0.3 keeps most of the picture


class PictureStreamOptions(PictureOptions, total=False):
    """The options of a streamed picture: with `image` those of ChangeOptions."""

    image: Picture | None
    strength: float | None
    previews: bool  # whether each progress has the picture so far


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
    inputs |= _texts("category", category, count) | _texts("description", description, count)
    inputs |= _texts("garment_photo_type", garment_photo_type, count)
    inputs |= _texts("crop", crop) | _texts("format", format) | _texts("scheduler", scheduler)
    inputs |= _texts("model", model)
    inputs |= _number("steps", steps, np.int32) | _number("seed", seed, np.uint64)
    inputs |= _number("guidance", guidance, np.float32)
    if paste_back is not None:
        inputs["paste_back"] = np.array([bool(paste_back)])
    return inputs


def text_to_image_inputs(*, prompt: str, **options: Any) -> dict[str, np.ndarray]:
    """Return the inputs of the model `text_to_image`; see PictureOptions."""
    return picture_tensors(prompt=prompt, **options)


def picture_tensors(
    *,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    width: int | None = None,
    height: int | None = None,
    aspect_ratio: str | None = None,
    n: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    lora: str | Mapping[str, float] | None = None,
    format: str | None = None,
    model: str | None = None,
) -> dict[str, np.ndarray]:
    """Return what a drawn picture is asked for as tensors; see PictureOptions."""
    inputs = _texts("prompt", prompt) | _texts("negative_prompt", negative_prompt) | _texts("model", model)
    inputs |= _number("width", width, np.int32) | _number("height", height, np.int32)
    inputs |= _texts("aspect_ratio", aspect_ratio) | _texts("scheduler", scheduler)
    inputs |= _number("n", n, np.int32)
    inputs |= _number("steps", steps, np.int32) | _number("seed", seed, np.uint64)
    return inputs | _number("guidance", guidance, np.float32) | _loras(lora) | _texts("format", format)


def image_to_image_inputs(
    *, image: Picture, strength: float | None = None, **options: Unpack[PictureOptions]
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `image_to_image`; see ChangeOptions."""
    inputs = text_to_image_inputs(**options) | _number("strength", strength, np.float32)
    return inputs | {"image": byte_tensor([encode_picture(image, "image")])}


def picture_stream_inputs(
    *,
    image: Picture | None = None,
    strength: float | None = None,
    previews: bool = False,
    **options: Unpack[PictureOptions],
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `picture_stream`; see PictureStreamOptions."""
    if image is not None:
        inputs = image_to_image_inputs(image=image, strength=strength, **options)
    elif strength is None:
        inputs = text_to_image_inputs(**options)
    else:
        raise BadRequest(f"strength must not be given without image, got {strength}")
    return inputs | {"previews": np.array([bool(previews)])}


def cut_out_inputs(
    *,
    image: Picture,
    box: Sequence[int] | None = None,
    product_side: int | None = None,
    format: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `cut_out`; see Vitrine.cut_out."""
    inputs = {"image": byte_tensor([encode_picture(image, "image")])} | _texts("format", format)
    inputs |= _number("product_side", product_side, np.int32)
    if box is None:
        return inputs
    if isinstance(box, str) or len(box) != 4:
        raise BadRequest(f"box must be left, top, right and bottom, got {box!r}")
    return inputs | {"box": np.concatenate([_number("box", one, np.int32)["box"] for one in box])}


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
    return inputs | _texts("category", category, 1) | _texts("crop", crop) | _texts("model", model)


def prepare_garment_inputs(
    *,
    garment: Picture | None = None,
    garment_id: str | None = None,
    category: str | None = None,
    garment_photo_type: str | None = None,
    model: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_garment`, for one garment."""
    inputs = _garments(garment, garment_id) | _texts("category", category, 1)
    inputs |= _texts("garment_photo_type", garment_photo_type, 1)
    if any(len(tensor) != 1 for tensor in inputs.values()):
        raise BadRequest("prepare_garment takes one garment; call it once for each")
    return inputs | _texts("model", model)


def prepare_text_inputs(*, description: str, model: str | None = None) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_text`."""
    return _texts("description", description, 1) | _texts("model", model)


def cache_inputs(
    action: str, *, person_id: str | None = None, garment_id: str | None = None, everything: bool = False
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `cache_control`; the server checks their combination."""
    inputs = _texts("action", action) | _texts("person_id", person_id) | _texts("garment_id", garment_id)
    return inputs | ({"everything": np.array([True])} if everything else {})


def _loras(lora: str | Mapping[str, float] | None) -> dict[str, np.ndarray]:
    """Return names and weights of adapters; no tensors for none."""
    if not lora:
        return {}
    weights = {lora: 1.0} if isinstance(lora, str) else dict(lora)
    numbers = [_number("lora_weight", weight, np.float32)["lora_weight"] for weight in weights.values()]
    return {
        "lora": byte_tensor([utf8("lora", name) for name in weights]),
        "lora_weight": np.concatenate(numbers),
    }


def _person(person: Picture | None, person_id: str | None) -> dict[str, np.ndarray]:
    if person is None and person_id is None:
        raise BadRequest("person or person_id must be given")
    inputs = _texts("person_id", person_id)
    if person is not None:
        inputs["person"] = byte_tensor([encode_picture(person, "person")])
    return inputs


def _which_person(index: int | None, point: Sequence[int] | None) -> dict[str, np.ndarray]:
    """Return the inputs that choose one of several people; the server checks that the person exists."""
    if index is not None and point is not None:
        raise BadRequest("person_index and person_point must not both be given")
    if point is None:
        return _number("person_index", index, np.int32)
    if isinstance(point, str) or len(point) != 2:
        raise BadRequest(f"person_point must be x and y, got {point!r}")
    x, y = (_number("person_point", one, np.int32)["person_point"] for one in point)
    return {"person_point": np.concatenate([x, y])}


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
        ids = [garment_id] if isinstance(garment_id, str) else list(garment_id)
        inputs["garment_id"] = byte_tensor([utf8("garment_id", one) for one in ids])
    if not inputs or not all(len(tensor) for tensor in inputs.values()):
        raise BadRequest("garment or garment_id must be given, at least one")
    if len({len(tensor) for tensor in inputs.values()}) > 1:
        raise BadRequest("garment and garment_id must be as many as each other")
    return inputs


def _texts(name: str, value: str | Sequence[str] | None, count: int | None = None) -> dict[str, np.ndarray]:
    """Return a BYTES tensor of one text, or of `count` texts; no tensor for None."""
    if value is None:
        return {}
    texts = [value] if isinstance(value, str) else list(value)
    if len(texts) != (count or 1):
        raise BadRequest(f"{name} must be {count or 1} text(s), one for each garment, got {len(texts)}")
    return {name: byte_tensor([utf8(name, text) for text in texts])}


def _number(name: str, value: float | None, dtype: type[np.number]) -> dict[str, np.ndarray]:
    """Return a tensor of one number; the server checks its range."""
    if value is None:
        return {}
    whole = np.issubdtype(dtype, np.integer)
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise BadRequest(f"{name} must be {'a whole number' if whole else 'a number'}, got {value!r}")
    try:
        return {name: np.array([value], dtype)}
    except OverflowError as error:
        raise BadRequest(f"{name} must fit {np.dtype(dtype).name}, got {value}") from error


def utf8(name: str, text: str) -> bytes:
    if not isinstance(text, str):
        raise BadRequest(f"{name} must be text, got {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name} must be valid Unicode, got a lone surrogate in {text!r}") from error


def byte_tensor(values: Iterable[bytes]) -> np.ndarray:
    """Return a BYTES tensor (n,) of dtype object, because numpy's bytes dtype drops trailing zeros."""
    return np.array(list(values), dtype=np.object_)
