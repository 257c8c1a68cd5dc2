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
SAME = {"jpeg": "jpg"}
"""Other words for an ending, as servers and commands have them."""
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
    """Save a picture, whole or not at all; return its path.

    An existing file of its pixels is kept as it is, unless it is broken: cut short by a full disk, or empty.
    `format` is "jpg" (or "jpeg"), "png" or "webp". `dpi`, pixels for each printed inch, is noted in the file.
    Every mode is saved as 8-bit sRGB. JPEG has no transparency: such a picture is put on white first. Raises
    BadRequest, and VitrineError where it cannot write.
    """
    format = SAME.get(format, format)
    if format not in KINDS:
        raise BadRequest(f"format must be one of {', '.join(KINDS)}, got {format[:40]!r}")
    if dpi is not None and not 1 <= dpi <= MAX_DPI:
        raise BadRequest(f"dpi must be 1 to {MAX_DPI}, got {dpi}")
    if not 1 <= min(image.size) <= max(image.size) <= MAX_SIDE[format]:
        got = "x".join(map(str, image.size))
        raise BadRequest(f"image must have sides of 1 to {MAX_SIDE[format]} pixels as {format}, got {got}")
    plain = standard(image, "image")
    plain = _on_white(plain) if format == "jpg" else plain
    path = Path(folder) / pixel_path(plain, format)
    there = _size_in(path, plain.size)
    if there not in (None, plain.size):
        path = path.with_stem(f"{path.stem}-{plain.width}x{plain.height}")
        there = _size_in(path, plain.size)
    if there != plain.size:
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
    return Path(digits[:FOLDER_DIGITS]) / f"{digits}.{SAME.get(format, format)}"


def _size_in(path: Path, size: tuple[int, int]) -> tuple[int, int] | None:
    """Return the size of the whole picture in a file, None where none is there.

    Where a file cannot be looked at, it is taken for one of `size`: nothing shows that it is broken.
    """
    if not path.is_file():
        return None
    try:
        with Image.open(path) as saved:
            saved.load()
            return saved.size
    except Image.DecompressionBombError:
        return size
    except OSError as error:
        return None if error.errno is None else size  # Pillow's own errors have no number
    except (SyntaxError, ValueError):  # what Pillow raises for broken PNG files
        return None


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
