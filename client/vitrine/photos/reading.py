"""Reads a picture's file: upright, in 8-bit sRGB.

Size and format come from the header, and the limits are checked against them, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, ImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vitrine.errors import BadRequest, VitrineError
from vitrine.modes import standard
from vitrine.photos.avif import open_avif
from vitrine.photos.jpeg import load_cut, open_jpeg
from vitrine.photos.kinds import READ, Kind, kind_of
from vitrine.photos.orientation import upright
from vitrine.photos.png import depth_of, has_deep_key, open_png, with_deep_key
from vitrine.photos.quiet import quiet
from vitrine.photos.refusals import TooLarge, Unreadable
from vitrine.photos.segments import unread_form


@dataclass(frozen=True)
class Limits:
    """The largest and smallest pictures that are accepted."""

    max_bytes: int = 20_000_000  # largest encoded picture
    max_pixels: int = 40_000_000
    min_side: int = 32  # pixels; smaller pictures show no garment


USUAL = Limits()


class Opened(NamedTuple):
    """A file of which only the header is read."""

    kind: Kind
    image: ImageFile.ImageFile


ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
"""The modes of opened files that have an alpha; indexed colours and one transparent colour are in `info`."""


def _open_heic(encoded: bytes) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile  # the client alone does not have it
    except ImportError as error:
        raise Unreadable("HEIC is read only where the package pillow-heif is installed; send JPEG") from error
    return HeifImageFile(io.BytesIO(encoded))


OPENING: dict[Kind, Callable[[bytes], ImageFile.ImageFile]] = {
    "PNG": open_png,
    "JPEG": open_jpeg,
    "WebP": lambda encoded: WebPImageFile(io.BytesIO(encoded)),
    "HEIC": _open_heic,
    "AVIF": open_avif,
}  # each reads the header only


def read(encoded: bytes, name: str, limits: Limits = USUAL) -> Image.Image:
    """The picture upright in sRGB, of mode L, RGB or RGBA; only the first frame of an animation.

    `name` is the input's name, for messages. Raises TooLarge, Unreadable, or BadRequest for sides or values
    that are not taken; the message names the limit and the value.
    """
    kind, image = opened(encoded, name, limits)
    with _refusing(encoded, name, kind):
        loaded = _loaded(image, encoded, kind)
        depth = depth_of(encoded) if kind == "PNG" else None
        return upright(loaded, standard(loaded, name, depth))


def opened(encoded: bytes, name: str, limits: Limits = USUAL) -> Opened:
    """The file's kind and header; raises as `read` does."""
    if len(encoded) > limits.max_bytes:
        raise TooLarge(f"{name} must have at most {limits.max_bytes} bytes, got {len(encoded)}")
    kind = kind_of(encoded, name)
    with _refusing(encoded, name, kind):
        if kind == "WebP":
            check_size(*_webp_size(encoded), name, limits)
        image = OPENING[kind](encoded)
    check_size(image.width, image.height, name, limits)
    return Opened(kind, image)


def can_be_transparent(encoded: bytes, name: str, limits: Limits = USUAL) -> bool:
    """Whether the header leaves room for transparency; raises as `read` does, the pixels are not decoded."""
    kind, image = opened(encoded, name, limits)
    deep = kind == "PNG" and has_deep_key(encoded)
    return deep or image.mode in ALPHA_MODES or "transparency" in image.info


def check_size(width: int, height: int, name: str, limits: Limits) -> None:
    """Raise TooLarge or BadRequest for sizes outside of the limits."""
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"{name} must have at most {limits.max_pixels} pixels, got {width}x{height} = {width * height}"
        )
    if min(width, height) < limits.min_side:
        raise BadRequest(
            f"{name} must be at least {limits.min_side} pixels wide and high, got {width}x{height}"
        )


@contextmanager
def _refusing(encoded: bytes, name: str, kind: Kind) -> Iterator[None]:
    """Raise what a decoder raises as Unreadable."""
    try:
        with quiet():
            yield
    except (VitrineError, MemoryError):
        raise
    except Exception as error:  # decoders raise any class, such as SyntaxError and AssertionError
        if unread := _unread_form(encoded, kind):
            raise Unreadable(f"{name} is {unread}; send {READ} of the usual form") from error
        raise Unreadable(
            f"{name} cannot be decoded: the {len(encoded)} bytes of {kind} are damaged or cut off"
        ) from error


def _unread_form(encoded: bytes, kind: Kind) -> str | None:
    """The name of a form of PNG or JPEG that is not read."""
    if kind == "PNG" and encoded[12:16] == b"CgBI":
        return "a PNG of an iOS app (CgBI)"
    return unread_form(encoded) if kind == "JPEG" else None


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
