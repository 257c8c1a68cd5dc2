"""Saves finished pictures in a folder under names made of their pixels, in the old service's layout.

{folder}/{first 2 digits}/{first 16 digits of SHA-256 of the pixels}.jpg
{folder}/…/{16 digits}-{width}x{height}.jpg    where a picture of another size has that file already
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
from vitrine.errors import BadRequest, VitrineError
from vitrine.files import save
from vitrine.modes import standard
from vitrine.photos.sides import LONGEST_JPEG, LONGEST_WEBP

DIGITS, FOLDER_DIGITS = 16, 2
ORIGIN = "origin"
MAX_DPI = 9600
KINDS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 6},
    "webp": {"format": "WEBP", "quality": 90},
}
"""By the ending of the file's name, how it is written."""
MAX_SIDE = {"jpg": LONGEST_JPEG, "png": 2**31 - 1, "webp": LONGEST_WEBP}
"""Pixels of a side, at most, by the same ending: what the formats hold and their libraries write."""
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

    `format` is "jpg", "png" or "webp". `dpi`, pixels for each printed inch, is noted in the file. Every mode
    is saved as 8-bit sRGB. JPEG has no transparency: such a picture is put on white first. Raises BadRequest,
    and VitrineError where it cannot write.
    """
    if format not in KINDS:
        raise BadRequest(f"format must be one of {', '.join(KINDS)}, got {format[:40]!r}")
    if dpi is not None and not 1 <= dpi <= MAX_DPI:
        raise BadRequest(f"dpi must be 1 to {MAX_DPI}, got {dpi}")
    if not 1 <= min(image.size) <= max(image.size) <= MAX_SIDE[format]:
        got = "x".join(map(str, image.size))
        raise BadRequest(f"image must have sides of 1 to {MAX_SIDE[format]} pixels as {format}, got {got}")
    plain = standard(image, "image")
    plain = _on_white(plain) if format == "jpg" else plain
    path = _free_path(Path(folder) / pixel_path(plain, format), plain.size)
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
    """Return the path of a picture below a folder, by the SHA-256 of its pixels.

    The old service's digits hold no size: flat pictures of 100x200 and 200x100 share them.
    """
    digits = hashlib.sha256(image.tobytes()).hexdigest()[:DIGITS]
    return Path(digits[:FOLDER_DIGITS]) / f"{digits}.{format}"


def _free_path(path: Path, size: tuple[int, int]) -> Path:
    """Return the path, or one with the size in it where a file of another size is there."""
    if not path.exists():
        return path
    try:
        with Image.open(path) as saved:
            other = saved.size != size
    except (OSError, Image.DecompressionBombError):
        other = False  # as an existing file it is kept
    return path.with_stem(f"{path.stem}-{size[0]}x{size[1]}") if other else path


def _encoded(image: Image.Image, kind: str, dpi: int | None) -> bytes:
    options, file = {**KINDS[kind], "icc_profile": None}, io.BytesIO()  # the pixels are sRGB
    if dpi is not None and kind == "webp":  # WebP has no field for it but EXIF's
        exif = Image.Exif()
        exif[_X] = exif[_Y] = float(dpi)
        exif[_UNIT] = _INCH
        options["exif"] = exif
    elif dpi is not None:
        options["dpi"] = (dpi, dpi)
    try:
        image.save(file, **options)
    except (OSError, ValueError, MemoryError) as error:  # whatever Pillow's writers refuse
        raise VitrineError(f"image cannot be written as {kind}: {error}") from error
    return file.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
