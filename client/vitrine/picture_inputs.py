"""The options of pictures from prompts and of cut-outs, and their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

import numpy as np

from vitrine.errors import BadRequest
from vitrine.pictures import Picture, encode_picture
from vitrine.tensors import byte_tensor, number, texts, utf8, whole_numbers


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
    strength: float | None  # above 0 to 1: how much of the picture is changed


class PictureStreamOptions(PictureOptions, total=False):
    """The options of a streamed picture: with `image` those of ChangeOptions."""

    image: Picture | None
    strength: float | None
    previews: bool  # whether each progress has the picture so far


def text_to_image_inputs(*, prompt: str, **options: Any) -> dict[str, np.ndarray]:
    """Return the inputs of the model `text_to_image`; see PictureOptions."""
    if prompt is None:
        raise BadRequest("prompt must be given: say what the picture shows")
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
    inputs = texts("prompt", prompt) | texts("negative_prompt", negative_prompt) | texts("model", model)
    inputs |= number("width", width, np.int32) | number("height", height, np.int32)
    inputs |= texts("aspect_ratio", aspect_ratio) | texts("scheduler", scheduler)
    inputs |= number("n", n, np.int32)
    inputs |= number("steps", steps, np.int32) | number("seed", seed, np.uint64)
    return inputs | number("guidance", guidance, np.float32) | _loras(lora) | texts("format", format)


def image_to_image_inputs(
    *, image: Picture, strength: float | None = None, **options: Unpack[PictureOptions]
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `image_to_image`; see ChangeOptions."""
    inputs = text_to_image_inputs(**options) | number("strength", strength, np.float32)
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
    inputs = {"image": byte_tensor([encode_picture(image, "image")])} | texts("format", format)
    inputs |= number("product_side", product_side, np.int32)
    return inputs | whole_numbers("box", box, ("left", "top", "right", "bottom"))


def lora_names(lora: str | Mapping[str, float] | None) -> tuple[str, ...]:
    """Return the names of adapters, as the option `lora` has them, in its order."""
    return ((lora,) if lora else ()) if isinstance(lora, str) else tuple(lora or ())


def lora_tensor(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the tensor of adapters' names; none for no names."""
    return {"lora": byte_tensor([utf8("lora", name) for name in names])} if names else {}


def _loras(lora: str | Mapping[str, float] | None) -> dict[str, np.ndarray]:
    """Return names and weights of adapters; no tensors for none."""
    if lora is None or lora in ("", {}):
        return {}
    if not isinstance(lora, str | Mapping):
        raise BadRequest(f"lora must be a name, or weights by name, got {type(lora).__name__}")
    weights = {lora: 1.0} if isinstance(lora, str) else dict(lora)
    if None in weights.values():
        raise BadRequest(f"lora must have a weight for each name, got {weights!r:.80}")
    numbers = [number("lora_weight", weight, np.float32)["lora_weight"] for weight in weights.values()]
    return lora_tensor(tuple(weights)) | {"lora_weight": np.concatenate(numbers)}
