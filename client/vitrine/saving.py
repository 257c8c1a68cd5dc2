"""Saves finished pictures in a folder under names made of their pixels, in the old service's layout.

{folder}/{first 2 digits}/{first 16 digits of SHA-256 of the pixels}.jpg
{folder}/origin/…                    the same for what a picture was made from
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vitrine.ads import Ad
from vitrine.errors import BadRequest
from vitrine.files import save

DIGITS, FOLDER_DIGITS = 16, 2
ORIGIN = "origin"
MAX_DPI = 9600
KINDS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 6},
    "webp": {"format": "WEBP", "quality": 90},
}
"""By the ending of the file's name, how it is written."""
_X, _Y, _UNIT, _INCH = 0x011A, 0x011B, 0x0128, 2  # EXIF: resolution across and down, and its unit


@dataclass(frozen=True)
class SavedAd:
    """Where an advertisement was saved."""

    path: Path
    origin: Path  # the same without text


def save_picture(
    image: Image.Image, folder: str | os.PathLike[str], *, format: str = "jpg", dpi: int | None = None
) -> Path:
    """Save a picture, whole or not at all; return its path. An existing file of its pixels is kept as it is.

    `format` is "jpg", "png" or "webp". `dpi`, pixels for each printed inch, is noted in the file. JPEG has no
    transparency: such a picture is put on white first. Raises BadRequest, VitrineError where it cannot write.
    """
    if format not in KINDS:
        raise BadRequest(f"format must be one of {', '.join(KINDS)}, got {format[:40]!r}")
    if dpi is not None and not 1 <= dpi <= MAX_DPI:
        raise BadRequest(f"dpi must be 1 to {MAX_DPI}, got {dpi}")
    plain = _on_white(image) if format == "jpg" else image
    path = Path(folder) / pixel_path(plain, format)
    if not path.exists():
        save(_encoded(plain, format, dpi), path)
    return path


def save_ad(
    ad: Ad, folder: str | os.PathLike[str], *, format: str = "jpg", dpi: int | None = None
) -> SavedAd:
    """Save an advertisement, and below `origin` the picture that it had before its texts."""
    origin = save_picture(ad.origin, Path(folder) / ORIGIN, format=format, dpi=dpi)
    return SavedAd(save_picture(ad.image, folder, format=format, dpi=dpi), origin)


def pixel_path(image: Image.Image, format: str = "jpg") -> Path:
    """Return the path of a picture below a folder, by the SHA-256 of its pixels."""
    digits = hashlib.sha256(image.tobytes()).hexdigest()[:DIGITS]
    return Path(digits[:FOLDER_DIGITS]) / f"{digits}.{format}"


def _encoded(image: Image.Image, kind: str, dpi: int | None) -> bytes:
    options, file = dict(KINDS[kind]), io.BytesIO()
    if dpi is not None and kind == "webp":  # WebP has no field for it but EXIF's
        exif = Image.Exif()
        exif[_X] = exif[_Y] = float(dpi)
        exif[_UNIT] = _INCH
        options["exif"] = exif
    elif dpi is not None:
        options["dpi"] = (dpi, dpi)
    image.save(file, **options)
    return file.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands():
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
