"""Decodes, checks and encodes pictures; inside, a picture is HWC uint8 RGB.

Files are read by `vitrine.photos`, as in the gateway.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest
from vitrine.photos.reading import USUAL, Limits, can_be_transparent, check_size, read
from vitrine.photos.refusals import IsText
from vitrine.photos.sides import LONGEST_JPEG, LONGEST_WEBP

Format = Literal["png", "jpeg", "webp"]
AlphaFormat = Literal["png", "webp"]
Picture = NDArray[np.uint8]  # (H, W, 3) RGB
BASE64_OPTION = 'the input encoding set to "base64"'

SAVING: dict[Format, dict[str, int | bool]] = {
    "png": {},  # see PNG
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 90, "method": 2},
}  # fast, and without visible loss
WITH_ALPHA: tuple[AlphaFormat, ...] = ("png", "webp")
"""The formats that hold transparency."""
LOSSLESS = {"lossless": True, "exact": True, "quality": 20, "method": 1}
"""Of WebP with transparency: with loss, pixels below alpha 0 would get colours."""
LONGEST: dict[Format, int] = {"png": 1_000_000, "jpeg": LONGEST_JPEG, "webp": LONGEST_WEBP}
"""The longest side that can be written, in pixels, by format."""
# Run lengths and one filter for all lines: 23 ms and 739 kB for a noisy picture of 768 x 1024, compared with
# 36 ms and 589 kB for level 1 with all filters tried. Callers that need few bytes use JPEG or WebP.
PNG = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)


def decode(encoded: bytes, name: str, limits: Limits = USUAL) -> Picture:
    """The picture as HWC uint8 RGB: upright, in sRGB, on white where it is transparent.

    Only the first frame of an animation is read, and a JPEG that lacks only its end is read too. `name` is
    the input's name, for messages. Raises BadRequest for a file that is not PNG, JPEG, WebP, HEIC or AVIF, is
    damaged, or breaks a limit; the message names the limit and the value.
    """
    return np.asarray(_on_white(_read(encoded, name, limits)))


def decode_with_alpha(
    encoded: bytes, name: str, limits: Limits = USUAL
) -> tuple[Picture, NDArray[np.uint8] | None]:
    """The picture as `decode` gives it, and its alpha (H, W); None for a picture without transparency."""
    image = _read(encoded, name, limits)
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    return np.asarray(_on_white(image)), alpha


def decode_layer(
    encoded: bytes, name: str, limits: Limits = USUAL
) -> tuple[Picture, NDArray[np.uint8] | None]:
    """The picture's own colours, also where it is transparent, and its alpha (H, W) or None."""
    image = _read(encoded, name, limits)
    if image.mode != "RGBA":
        return np.asarray(image.convert("RGB")), None
    levels = np.asarray(image)
    return levels[..., :3], levels[..., 3]


def transparent_layer(
    encoded: bytes, name: str, limits: Limits = USUAL
) -> tuple[Picture, NDArray[np.uint8]] | None:
    """The picture's own colours and its alpha (H, W); None where every pixel is opaque.

    Raises as `decode` does. A picture that can hold no transparency is not decoded, so that damage in its
    pixels is not seen here.
    """
    with _advising():
        if not can_be_transparent(encoded, name, limits):
            return None
    colours, alpha = decode_layer(encoded, name, limits)
    return None if alpha is None or alpha.min() == 255 else (colours, alpha)


def _read(encoded: bytes, name: str, limits: Limits) -> Image.Image:
    """The picture upright in sRGB, of mode L, RGB or RGBA; raises as `decode` does."""
    with _advising():
        return read(encoded, name, limits)


@contextmanager
def _advising() -> Iterator[None]:
    """Add how text is sent to this server where a picture is text."""
    try:
        yield
    except IsText as error:
        raise IsText(f"{error}; base64 text goes with {BASE64_OPTION}") from error


def checked(raw: NDArray[np.uint8], name: str, limits: Limits = USUAL) -> Picture:
    """The array itself; BadRequest when it is not HWC uint8 RGB or breaks a limit."""
    if raw.dtype != np.uint8 or raw.ndim != 3 or raw.shape[2] != 3:
        raise BadRequest(f"{name} must be HWC uint8 RGB, got {raw.dtype} of shape {raw.shape}")
    check_size(raw.shape[1], raw.shape[0], name, limits)
    return raw


def check_sides(picture: NDArray[np.uint8], name: str, kind: Format) -> None:
    """BadRequest for a picture (H, W, …) with a side that the format cannot hold; `name` is the input's."""
    height, width = picture.shape[:2]
    if max(width, height) > LONGEST[kind]:
        raise BadRequest(
            f"{name} must be at most {LONGEST[kind]} pixels wide and high for {kind}, got {width}x{height}"
        )


def encode(picture: Picture, kind: Format = "png") -> bytes:
    """The encoded picture, in grey for an (H, W) array.

    Raises BadRequest for an unknown format, and for a picture that is too long for it.
    """
    if kind not in SAVING:
        raise BadRequest(f"format must be one of {', '.join(SAVING)}, got {kind!r}")
    check_sides(picture, "the answer's picture", kind)
    if kind == "png":
        pixels = picture[..., ::-1] if picture.ndim == 3 else picture  # OpenCV wants blue first
        return cv2.imencode(".png", pixels, PNG)[1].tobytes()
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **SAVING[kind])
    return file.getvalue()


def encode_with_alpha(picture: Picture, alpha: NDArray[np.uint8], kind: AlphaFormat = "png") -> bytes:
    """The encoded picture (H, W, 3) with its alpha (H, W), without loss; both have the same size.

    Raises BadRequest for a picture that is too long for the format.
    """
    check_sides(picture, "the answer's picture", kind)
    if kind == "png":
        return cv2.imencode(".png", np.dstack([picture[..., ::-1], alpha]), PNG)[1].tobytes()
    file = io.BytesIO()
    Image.fromarray(np.dstack([picture, alpha])).save(file, kind, **LOSSLESS)
    return file.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    """An image of mode L, RGB or RGBA as RGB."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
