"""Decodes, checks and encodes pictures; inside, a picture is HWC uint8 RGB.

Size and format come from the header, and the limits are checked against them, before anything is decoded.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile
from vitrine.errors import BadRequest
from vitrine.modes import standard

from vitrine_orchestrator.photos.jpeg import load_cut, open_jpeg
from vitrine_orchestrator.photos.kinds import Kind, kind_of
from vitrine_orchestrator.photos.png import depth_of, has_deep_key, open_png, with_deep_key

Format = Literal["png", "jpeg", "webp"]
AlphaFormat = Literal["png", "webp"]
Picture = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Limits:
    """The largest and smallest pictures that are accepted."""

    max_bytes: int = 20_000_000  # largest encoded picture
    max_pixels: int = 40_000_000
    min_side: int = 32  # pixels; smaller pictures show no garment


SAVING: dict[Format, dict[str, int | bool]] = {
    "png": {},  # see PNG
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 90, "method": 2},
}  # fast, and without visible loss
WITH_ALPHA: dict[AlphaFormat, int] = {"png": 1_000_000, "webp": 16_383}
"""The formats that hold transparency, and the longest side that can be written, in pixels."""
# Run lengths and one filter for all lines: 23 ms and 739 kB for a noisy picture of 768 x 1024, compared with
# 36 ms and 589 kB for level 1 with all filters tried. Callers that need few bytes use JPEG or WebP.
PNG = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)

# EXIF's orientation tag, and the transposition that undoes each of its values; 1 is upright.
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The errors that Pillow raises for damaged files, found by changing bytes in files of each format.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,  # from AVIF
    struct.error,
    Image.DecompressionBombError,
)


ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
"""The modes of opened files that have an alpha; indexed colours and one transparent colour are in `info`."""

OPENING: dict[Kind, Callable[[bytes], ImageFile.ImageFile]] = {
    "PNG": open_png,
    "JPEG": open_jpeg,
    "WebP": lambda encoded: WebPImageFile(io.BytesIO(encoded)),
    "HEIC": lambda encoded: HeifImageFile(io.BytesIO(encoded)),
    "AVIF": lambda encoded: AvifImageFile(io.BytesIO(encoded)),
}  # each reads the header only


def decode(encoded: bytes, name: str, limits: Limits = Limits()) -> Picture:
    """The picture as HWC uint8 RGB: upright, in sRGB, on white where it is transparent.

    Only the first frame of an animation is read, and a JPEG that lacks only its end is read too. `name` is
    the input's name, for messages. Raises BadRequest for a file that is not PNG, JPEG, WebP, HEIC or AVIF, is
    damaged, or breaks a limit; the message names the limit and the value.
    """
    return np.asarray(_on_white(_decoded(encoded, name, limits)))


def decode_with_alpha(
    encoded: bytes, name: str, limits: Limits = Limits()
) -> tuple[Picture, NDArray[np.uint8] | None]:
    """The picture as `decode` gives it, and its alpha (H, W); None for a picture without transparency."""
    image = _decoded(encoded, name, limits)
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    return np.asarray(_on_white(image)), alpha


def decode_layer(
    encoded: bytes, name: str, limits: Limits = Limits()
) -> tuple[Picture, NDArray[np.uint8] | None]:
    """The picture's own colours, also where it is transparent, and its alpha (H, W) or None."""
    image = _decoded(encoded, name, limits)
    if image.mode != "RGBA":
        return np.asarray(image.convert("RGB")), None
    levels = np.asarray(image)
    return levels[..., :3], levels[..., 3]


def is_transparent(encoded: bytes, name: str, limits: Limits = Limits()) -> bool:
    """Whether some pixel of a picture is not opaque; raises as `decode` does.

    A picture that can hold no transparency is not decoded, so that damage in its pixels is not seen here.
    """
    if not _can_be_transparent(encoded, name, limits):
        return False
    _, alpha = decode_layer(encoded, name, limits)
    return alpha is not None and bool(alpha.min() < 255)


def _can_be_transparent(encoded: bytes, name: str, limits: Limits) -> bool:
    """What the header says; BadRequest for a kind or a size that is refused."""
    kind = _kind_of(encoded, name, limits)
    try:
        image = OPENING[kind](encoded)
    except UNREADABLE as error:
        raise _unreadable(encoded, name, kind) from error
    _check_size(image.width, image.height, name, limits)
    deep = kind == "PNG" and has_deep_key(encoded)
    return deep or image.mode in ALPHA_MODES or "transparency" in image.info


def _kind_of(encoded: bytes, name: str, limits: Limits) -> Kind:
    """The file's kind; BadRequest for too many bytes, for another kind, and for a WebP that is too large."""
    if len(encoded) > limits.max_bytes:
        raise BadRequest(f"{name} must have at most {limits.max_bytes} bytes, got {len(encoded)}")
    kind = kind_of(encoded, name)
    if kind == "WebP":
        try:
            size = _webp_size(encoded)
        except UNREADABLE as error:
            raise _unreadable(encoded, name, kind) from error
        _check_size(*size, name, limits)
    return kind


def _unreadable(encoded: bytes, name: str, kind: Kind) -> BadRequest:
    return BadRequest(f"{name} cannot be decoded: the {len(encoded)} bytes of {kind} are damaged or cut off")


def _decoded(encoded: bytes, name: str, limits: Limits) -> Image.Image:
    """The picture upright in sRGB, of mode L, RGB or RGBA; raises as `decode` does."""
    kind = _kind_of(encoded, name, limits)
    try:
        image = OPENING[kind](encoded)
        _check_size(image.width, image.height, name, limits)
        loaded = _loaded(image, encoded, kind)
        depth = depth_of(encoded) if kind == "PNG" else None
        return _upright(loaded, standard(loaded, name, depth))
    except UNREADABLE as error:
        raise _unreadable(encoded, name, kind) from error


def checked(raw: NDArray[np.uint8], name: str, limits: Limits = Limits()) -> Picture:
    """The array itself; BadRequest when it is not HWC uint8 RGB or breaks a limit."""
    if raw.dtype != np.uint8 or raw.ndim != 3 or raw.shape[2] != 3:
        raise BadRequest(f"{name} must be HWC uint8 RGB, got {raw.dtype} of shape {raw.shape}")
    _check_size(raw.shape[1], raw.shape[0], name, limits)
    return raw


def encode(picture: Picture, kind: Format = "png") -> bytes:
    """The encoded picture, in grey for an (H, W) array. Raises BadRequest for an unknown format."""
    if kind not in SAVING:
        raise BadRequest(f"format must be one of {', '.join(SAVING)}, got {kind!r}")
    if kind == "png":
        pixels = picture[..., ::-1] if picture.ndim == 3 else picture  # OpenCV wants blue first
        return cv2.imencode(".png", pixels, PNG)[1].tobytes()
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **SAVING[kind])
    return file.getvalue()


def encode_with_alpha(picture: Picture, alpha: NDArray[np.uint8], kind: AlphaFormat = "png") -> bytes:
    """The encoded picture (H, W, 3) with its alpha (H, W); both have the same size."""
    if kind == "png":
        return cv2.imencode(".png", np.dstack([picture[..., ::-1], alpha]), PNG)[1].tobytes()
    file = io.BytesIO()
    Image.fromarray(np.dstack([picture, alpha])).save(file, kind, **SAVING[kind])
    return file.getvalue()


def _check_size(width: int, height: int, name: str, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise BadRequest(
            f"{name} must have at most {limits.max_pixels} pixels, got {width}x{height} = {width * height}"
        )
    if min(width, height) < limits.min_side:
        raise BadRequest(
            f"{name} must be at least {limits.min_side} pixels wide and high, got {width}x{height}"
        )


def _webp_size(encoded: bytes) -> tuple[int, int]:
    """Width and height in a WebP header (RFC 9649); Pillow's reader allocates the canvas when it opens."""
    kind = encoded[12:16]
    if kind == b"VP8X":
        return int.from_bytes(encoded[24:27], "little") + 1, int.from_bytes(encoded[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(encoded[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", encoded, 26)
    return width & 0x3FFF, height & 0x3FFF


def _upright(image: Image.Image, picture: Image.Image) -> Image.Image:
    """`picture` turned by the EXIF orientation of `image`; damaged EXIF data are ignored."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except UNREADABLE:
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _loaded(image: ImageFile.ImageFile, encoded: bytes, kind: Kind) -> Image.Image:
    """The image with its pixels."""
    if kind == "PNG" and has_deep_key(encoded):
        return with_deep_key(encoded, image)
    try:
        image.load()
    except OSError:
        if kind != "JPEG":
            raise
        return load_cut(encoded)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """An image of mode L, RGB or RGBA as RGB."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
