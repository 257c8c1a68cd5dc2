"""Small copies of pictures, for answers that carry the picture itself."""

from __future__ import annotations

import asyncio
import io

from PIL import Image

PREVIEW_SIDE = 512
QUALITY = 85


async def preview(content: bytes) -> bytes:
    """Return a JPEG of at most PREVIEW_SIDE pixels a side; `content` is a picture that this gateway keeps."""
    return await asyncio.to_thread(_small, content)


async def small_jpeg(picture: Image.Image) -> tuple[bytes, tuple[int, int]]:
    """Return a JPEG of at most PREVIEW_SIDE pixels a side, and its size."""
    return await asyncio.to_thread(_jpeg, picture)


def _small(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return _jpeg(image)[0]


def _jpeg(picture: Image.Image) -> tuple[bytes, tuple[int, int]]:
    small = picture.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return file.getvalue(), small.size
