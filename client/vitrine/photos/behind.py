"""Loads PIL images by their files, where Pillow alone does not read all that counts."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from vitrine.photos.avif import colour_codes
from vitrine.photos.jpeg import load_cut
from vitrine.photos.kinds import Kind, known_kind
from vitrine.photos.png import open_png

PILLOWS_OWN = (
    "bbox",
    "interlace",
    "transparency",
    "icc_profile",
    "exif",
    "blend",
    "disposal",
)
"""Entries of a PNG's info that Pillow reads itself, and that a text chunk of the same name replaces."""


def loaded(image: Image.Image) -> Image.Image:
    """Return the image with its pixels, or another one that is read from the same file.

    The file is read where a PNG's texts mislead Pillow, where a JPEG lacks its end, and for an AVIF's colour
    codes. Raises what Pillow raises.
    """
    if image.format == "PNG" and any(isinstance(image.info.get(name), str) for name in PILLOWS_OWN):
        encoded = _file_behind(image, "PNG")
        image = open_png(encoded) if encoded else image
    codes = _codes(image)
    try:
        image.load()
    except OSError:
        encoded = _file_behind(image, "JPEG")
        if encoded is None:
            raise
        return load_cut(encoded)
    if codes:
        image = image.copy()
        image.info["nclx_profile"] = codes
    return image


def _codes(image: Image.Image) -> dict[str, int] | None:
    """Return an AVIF's colour codes if it has no profile."""
    if image.format != "AVIF" or "icc_profile" in image.info:
        return None
    encoded = _file_behind(image, "AVIF")
    return colour_codes(encoded) if encoded else None


def _file_behind(image: Image.Image, kind: Kind) -> bytes | None:
    """Return the file of that kind that the image was opened from; None where it cannot be read any more."""
    for read in (_open_file, _named_file):
        try:
            encoded = read(image)
        except (OSError, ValueError, AttributeError):  # closed, gone, or not a file that can be read again
            continue
        if known_kind(encoded) == kind:
            return encoded
    return None


def _open_file(image: Image.Image) -> bytes:
    """Read an image's open file from its start; its position stays."""
    file = getattr(image, "fp", None)
    if file is None:
        return b""
    at = file.tell()
    file.seek(0)
    encoded = file.read()
    file.seek(at)
    return bytes(encoded)


def _named_file(image: Image.Image) -> bytes:
    name = getattr(image, "filename", None)
    return Path(name).read_bytes() if name else b""
