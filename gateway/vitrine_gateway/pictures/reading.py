"""Reads uploads: limits, the format by its first bytes, and a new encoding without metadata."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass

from PIL import Image
from vitrine.errors import BadRequest
from vitrine.photos import refusals
from vitrine.photos.base64_text import bytes_of_text
from vitrine.photos.kinds import Kind, known_kind
from vitrine.photos.reading import Limits, read
from vitrine.pictures import encode_picture

from vitrine_gateway.errors import NotAPicture, TooLarge

AT_ONCE = 4
JPEG_QUALITY = 95  # of pictures that came in a lossy format; as PNG a phone's photo would pass 20 MB
MEDIA_TYPES: dict[Kind | None, str] = {"PNG": "image/png", "JPEG": "image/jpeg", "WebP": "image/webp"}


@dataclass(frozen=True)
class Upload:
    """A picture as it is kept: 8-bit sRGB, upright, without metadata.

    It is PNG, or JPEG if it came lossy; a PNG above 20 MB is kept as `encode_picture` writes it.
    """

    content: bytes
    width: int
    height: int
    media_type: str  # one of MEDIA_TYPES


class PictureReader:
    """Reads uploads, AT_ONCE at a time: a picture of 40 megapixels takes 160 MB while it is decoded."""

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._limits = Limits(max_bytes, max_pixels)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def read(self, sent: bytes, name: str) -> Upload:
        """Check a picture and encode it again.

        Raises TooLarge, NotAPicture or BadRequest; the message names the field `name`.
        """
        async with self._room:
            return await asyncio.to_thread(_read, sent, name, self._limits)


def from_base64(text: str, name: str) -> bytes:
    """Return the bytes of base64 or of a data URI. Addresses are not fetched: BadRequest says so."""
    if text.startswith(("http://", "https://")):
        raise BadRequest(f"{name}: addresses are not fetched; send the picture itself, or its file_id")
    return bytes_of_text(text.encode(errors="replace"), name)


def _read(sent: bytes, name: str, limits: Limits) -> Upload:
    try:
        plain = read(sent, name, limits)
    except refusals.TooLarge as error:
        raise TooLarge(str(error)) from error
    except refusals.Unreadable as error:
        raise NotAPicture(str(error)) from error
    content = _encoded(plain, name, lossless=known_kind(sent) == "PNG")
    media_type = MEDIA_TYPES[known_kind(content)]
    return Upload(content, plain.width, plain.height, media_type)


def _encoded(plain: Image.Image, name: str, lossless: bool) -> bytes:
    """Return the picture's file without metadata."""
    if lossless or plain.mode not in ("L", "RGB"):
        return encode_picture(plain, name)
    file = io.BytesIO()
    plain.info = {}
    plain.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
