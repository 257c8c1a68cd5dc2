"""Converts pictures of every Pillow mode and numpy dtype to 8-bit sRGB, for the client and the server."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from vitrine.errors import BadRequest
from vitrine.profiles import lab_to_srgb, profile_of, to_srgb

SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
PLAIN: dict[str, str] = {"1": "L", "L": "L", "RGB": "RGB", "CMYK": "CMYK", "YCbCr": "RGB", "HSV": "RGB"}
"""Modes without transparency, and the mode in which their profile applies; every other mode becomes RGB."""
WITH_ALPHA: dict[str, str] = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA", "PA": "RGBA"}
TOLERANCE = 1e-3  # by which floats may be outside of their range, by rounding; they are clipped
PALETTE_COLOURS = 256
LAYOUTS: dict[int, str] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of channels


def standard(image: Image.Image, name: str, depth: int | None = None) -> Image.Image:
    """Return the image in 8-bit sRGB: mode L, RGB or RGBA.

    `depth` is the number of bits of a grey PNG's samples, if known: its transparent colour has that depth.
    Raises BadRequest for values that are no brightness; the message names the input `name`.
    """
    image = _with_usable_key(image)
    alpha = _alpha(image, depth)
    icc = profile_of(image)
    colour = to_srgb(_opaque(image, name), icc)
    if colour.mode == "CMYK":
        colour = colour.convert("RGB")
    if alpha is None:
        return colour
    colour = colour.convert("RGB")
    colour.putalpha(alpha)
    return colour


def from_array(array: np.ndarray, name: str) -> Image.Image:
    """Return an array as an 8-bit image: (h, w) or (h, w, 1) grey, (h, w, 2) with alpha, 3 RGB, 4 RGBA.

    Allowed are uint8 (0 to 255), uint16 (0 to 65535), bool, and floats of 0 to 1, or of 0 to 255 if one is
    larger than 1; they may be outside by 0.001. Raises BadRequest for another dtype, shape or range.
    """
    shape = array.shape[:2] + (array.shape[2:] or (1,))
    if array.ndim not in (2, 3) or not array.size or shape[2] not in LAYOUTS:
        raise BadRequest(
            f"{name} must be HWC uint8 RGB, or such an array in grey or with alpha, got {array.dtype} of "
            f"shape {array.shape}{_advice(array)}"
        )
    eight = _eight(array.reshape(shape), name)
    if shape[2] == 1:
        eight = eight[..., 0]
    return Image.fromarray(np.ascontiguousarray(eight))


def _advice(array: np.ndarray) -> str:
    if array.ndim == 3 and array.shape[0] in LAYOUTS:
        return ": move the channels last, as array.transpose(1, 2, 0) does"
    if array.ndim == 4 and len(array) == 1:
        return ": send array[0], one picture without a batch"
    return ""


def _eight(array: np.ndarray, name: str) -> np.ndarray:
    """Return the array's brightness in uint8."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.newbyteorder("=") == np.uint16:
        return _from_sixteen(array)
    if np.issubdtype(array.dtype, np.floating):
        return _from_floats(array, name)
    raise BadRequest(
        f"{name} must be HWC uint8 RGB, or uint16, bool or float, got {array.dtype} of shape {array.shape}"
    )


def _from_sixteen(values: np.ndarray) -> np.ndarray:
    """Scale 0 to 65535 to 0 to 255, rounded."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_floats(values: np.ndarray, name: str) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < -TOLERANCE or high > 255 + TOLERANCE:
        raise BadRequest(f"{name} must have floats of 0 to 1 or of 0 to 255, got {low:g} to {high:g}")
    levels = values * (255 if high <= 1 + TOLERANCE else 1)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def _with_usable_key(image: Image.Image) -> Image.Image:
    """Return the image without a transparency that does not fit its mode, as pictures made of others keep."""
    key = image.info.get("transparency")
    match image.mode:
        case "P":
            fits = key in range(PALETTE_COLOURS) or (isinstance(key, bytes) and len(key) <= PALETTE_COLOURS)
        case "RGB":
            fits = isinstance(key, tuple) and len(key) == 3
        case _:
            fits = isinstance(key, int)
    if key is None or fits:
        return image
    plain = image.copy()
    del plain.info["transparency"]
    return plain


def _opaque(image: Image.Image, name: str) -> Image.Image:
    """Return the image without its transparency: mode L, RGB or CMYK."""
    if image.mode in SIXTEEN_BITS:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise BadRequest(
                f"{name} of mode {image.mode} must have values of 0 to 65535, "
                f"got {values.min()} to {values.max()}"
            )
        return Image.fromarray(_from_sixteen(values))
    if image.mode == "F":
        return Image.fromarray(_from_floats(np.asarray(image), name))
    if image.mode == "LAB":
        return lab_to_srgb(image)
    if image.mode in WITH_ALPHA:
        image = image.convert(WITH_ALPHA[image.mode])
        bands = image.split()[:-1]
        return bands[0] if len(bands) == 1 else Image.merge("RGB", bands)
    if image.mode == "P":
        image = image.convert("RGBA")  # keeps the colours of transparent entries
    mode = PLAIN.get(image.mode, "RGB")
    if image.mode == mode:
        return image
    plain = image.copy()
    plain.info.pop("transparency", None)
    return plain.convert(mode)


def _alpha(image: Image.Image, depth: int | None) -> Image.Image | None:
    """Return the transparency (mode L, 255 is opaque), or None."""
    if image.mode in WITH_ALPHA:
        return image.convert(WITH_ALPHA[image.mode]).getchannel("A")
    if image.mode == "P" and image.has_transparency_data:
        return image.convert("RGBA").getchannel("A")
    key = image.info.get("transparency")
    if key is None or image.mode not in (*SIXTEEN_BITS, "1", "L", "RGB"):
        return None
    values = np.asarray(image)
    if image.mode == "RGB":
        deep = max(key) > 255  # of a 16-bit picture, of which Pillow reads the upper 8 bits
        clear = (values == np.array(key) >> (8 if deep else 0)).all(-1)
    elif image.mode == "1":
        clear = values == bool(key)
    else:
        clear = values == (key * _step(values, key, depth) if image.mode == "L" else key)
    return Image.fromarray(np.where(clear, np.uint8(0), np.uint8(255)))


def _step(grey: np.ndarray, key: int, depth: int | None) -> int:
    """Return one level of a grey PNG's samples in 8 bits: Pillow scales the pixels, not the transparent key.

    Without `depth` it is the largest step that divides all pixels and keeps the key in range.
    """
    steps = {2: 85, 4: 17}
    if depth is not None:
        return steps.get(depth, 1)
    fits: Callable[[int], bool] = lambda step: key <= 255 // step and not (grey % step).any()  # noqa: E731
    return next((step for step in steps.values() if fits(step)), 1)
