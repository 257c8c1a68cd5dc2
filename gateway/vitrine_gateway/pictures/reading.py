"""Reads uploads: limits, the format by its first bytes, and a new encoding without metadata."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import re
import warnings
from dataclasses import dataclass

import pillow_heif
from PIL import Image, ImageOps
from vitrine.errors import BadRequest, VitrineError, one_line
from vitrine.modes import standard
from vitrine.pictures import encode_picture
from vitrine.profiles import UNREADABLE_EXIF

from vitrine_gateway.errors import NotAPicture, TooLarge

pillow_heif.register_heif_opener()

FORMATS = {  # Pillow's name of a format: its first bytes, after the given offset
    "PNG": (0, b"\x89PNG\r\n\x1a\n"),
    "JPEG": (0, b"\xff\xd8\xff"),
    "WEBP": (8, b"WEBP"),
    "HEIF": (4, b"ftyp"),
    "AVIF": (4, b"ftyp"),
}
MIN_SIDE = 32  # the server's own limit
AT_ONCE = 4
JPEG_QUALITY = 95  # of pictures that came in a lossy format; as PNG a phone's photo would pass 20 MB
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,")


@dataclass(frozen=True)
class Upload:
    """A picture as it is kept: 8-bit sRGB, upright, without metadata; PNG, or JPEG if it came lossy."""

    content: bytes
    sha256: str  # of the bytes that were sent, for the fingerprint of a request
    width: int
    height: int
    media_type: str  # image/png or image/jpeg


class PictureReader:
    """Reads uploads, AT_ONCE at a time: a picture of 40 megapixels takes 160 MB while it is decoded."""

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._max_bytes, self._max_pixels = max_bytes, max_pixels
        self._room = asyncio.Semaphore(AT_ONCE)

    async def read(self, sent: bytes, name: str) -> Upload:
        """Check a picture and encode it again.

        Raises TooLarge, NotAPicture or BadRequest; the message names the field `name`.
        """
        if len(sent) > self._max_bytes:
            raise TooLarge(f"{name} must have at most {self._max_bytes:,} bytes, got {len(sent):,}")
        async with self._room:
            return await asyncio.to_thread(_read, sent, name, self._max_pixels)


def from_base64(text: str, name: str) -> bytes:
    """Return the bytes of base64 or of a data URI. Addresses are not fetched: BadRequest says so."""
    if text.startswith(("http://", "https://")):
        raise BadRequest(f"{name}: addresses are not fetched; send the picture itself, or its file_id")
    text = text[found.end() :] if (found := _DATA_URI.match(text)) else text
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadRequest(f"{name} must be base64 or a data URI of a picture: {error}") from error


def _read(sent: bytes, name: str, max_pixels: int) -> Upload:
    kinds = [kind for kind, (at, mark) in FORMATS.items() if sent[at : at + len(mark)] == mark]
    if not kinds:
        raise NotAPicture(
            f"{name} must be PNG, JPEG, WebP, HEIC or AVIF, got {len(sent)} bytes of another kind"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about sizes and metadata: both are checked here
            image = Image.open(io.BytesIO(sent), formats=kinds)
            width, height = image.size
            if width * height > max_pixels:
                raise TooLarge(f"{name} must have at most {max_pixels:,} pixels, got {width} x {height}")
            if min(width, height) < MIN_SIDE:
                raise BadRequest(
                    f"{name} must have sides of at least {MIN_SIDE} pixels, got {width} x {height}"
                )
            content, media_type = _encoded(image, name)
    except Image.DecompressionBombError as error:
        raise TooLarge(f"{name} has too many pixels: {error}") from error
    except VitrineError:
        raise
    except Exception as error:  # the decoders' own: besides OSError also RuntimeError, SyntaxError and others
        raise NotAPicture(f"{name} cannot be decoded: {one_line(error)}") from error
    width, height = Image.open(io.BytesIO(content)).size  # upright now
    return Upload(content, hashlib.sha256(sent).hexdigest(), width, height, media_type)


def _encoded(image: Image.Image, name: str) -> tuple[bytes, str]:
    """Return the picture and its media type: upright 8-bit sRGB without metadata."""
    lossless = image.format == "PNG"
    try:
        upright = ImageOps.exif_transpose(image)
    except UNREADABLE_EXIF:
        upright = image.copy()
    plain = standard(upright, name)
    plain.info = {}
    if lossless or plain.mode not in ("L", "RGB"):
        return encode_picture(plain, name), "image/png"
    file = io.BytesIO()
    plain.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue(), "image/jpeg"
