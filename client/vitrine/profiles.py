"""Finds ICC profiles of pictures, writes those that files only name, and converts pictures to sRGB."""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from vitrine.photos.quiet import quiet

MAX_PROFILE_BYTES = 8_000_000
"""Larger profiles are ignored. Printer profiles with look-up tables have up to about 4 MB."""
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # a profile's colour space, and Pillow's mode for it
INVISIBLE = 1  # byte values: a profile that changes no colour by more counts as sRGB

# EXIF names Adobe RGB without a profile: its colour space 2, or the interoperability index R03.
EXIF_IFD, INTEROP_IFD, COLOUR_SPACE, INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 1


class Space(NamedTuple):
    """A colour space: the chromaticities x, y of red, green and blue; white is D65."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    gamma: float | None = None  # None: the curve of sRGB


ADOBE_RGB = Space((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), gamma=563 / 256)
PRIMARIES = {
    9: Space((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: Space((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}  # colour primaries of ITU-T H.273: BT.2020 and Display P3. 1 is sRGB; others are rare
CURVES: dict[int, float | None] = {1: None, 4: 2.2, 6: None, 13: None, 14: None, 15: None}
"""Transfer codes of H.273 that are read. Video curves (1, 6, 14, 15) count as sRGB, as in browsers."""

WHITE_D65 = np.array([0.3127 / 0.3290, 1.0, 0.3583 / 0.3290])
WHITE_D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def profile_of(image: Image.Image) -> bytes | None:
    """Return the ICC profile of a picture; None for sRGB, which is also the default."""
    if icc := image.info.get("icc_profile"):
        return icc if isinstance(icc, bytes) and len(icc) <= MAX_PROFILE_BYTES else None
    coded = image.info.get("nclx_profile")
    if isinstance(coded, dict):
        return coded_profile(coded["color_primaries"], coded["transfer_characteristics"])
    return written(ADOBE_RGB) if _says_adobe_rgb(image) else None


def coded_profile(primaries: int, transfer: int) -> bytes | None:
    """Return the profile of a pair of H.273 codes; None for sRGB and for codes that are not read (HDR)."""
    if primaries not in PRIMARIES or transfer not in CURVES:
        return None
    return written(PRIMARIES[primaries]._replace(gamma=CURVES[transfer]))


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert an image of mode L, RGB or CMYK to sRGB: RGB, or the same image if nothing changes.

    A damaged profile, or one of another colour space than the image, is ignored.
    """
    space = SPACES.get(icc[16:20]) if icc else None
    if space == "RGB" and image.mode == "L":  # a grey picture saved with the profile of its colour original
        image = image.convert("RGB")
    if icc is None or space is None or space != image.mode:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), space, "RGB")
        if not isinstance(transform, ImageCms.ImageCmsTransform) or _changes_nothing(transform, space):
            return image
        return ImageCms.applyTransform(image, transform) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image of Pillow's mode LAB to RGB."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None, "it is not converted in place"
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    """Whether a transform leaves a sample of all colours unchanged; then the exact pixels are kept."""
    if space == "CMYK":
        return False
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    sample = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if space == "L":
        sample = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, -1)
    colours = Image.fromarray(sample if space == "RGB" else sample[..., 0])
    converted = np.asarray(ImageCms.applyTransform(colours, transform))
    return bool(np.abs(converted.astype(int) - sample).max() <= INVISIBLE)


def _says_adobe_rgb(image: Image.Image) -> bool:
    try:
        with quiet():
            exif = image.getexif()
            if not exif:
                return False
            details, index = exif.get_ifd(EXIF_IFD), exif.get_ifd(INTEROP_IFD).get(INTEROP_INDEX)
        index = index.encode() if isinstance(index, str) else index or b""
        return details.get(COLOUR_SPACE) == 2 or index.startswith(b"R03")
    except Exception:  # Pillow raises whatever its parsing meets
        return False


def written(space: Space) -> bytes:
    """Return the ICC version 4 profile of a colour space: its primaries under D50 and its curve."""
    curve = _curve(space.gamma)
    colours = _colorants(space).T
    tags = {b"wtpt": _xyz(WHITE_D50), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags |= {name: _xyz(colour) for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag
    size = start + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + bytes(28) + _fixed(*WHITE_D50)).ljust(128, b"\0") + table + body


def _colorants(space: Space) -> np.ndarray:
    """Return XYZ of red, green and blue as columns (3, 3), adapted from D65 to D50."""
    rows = [(x / y, 1.0, (1 - x - y) / y) for x, y in (space.red, space.green, space.blue)]
    matrix = np.array(rows).T
    matrix = matrix * np.linalg.solve(matrix, WHITE_D65)
    cones = np.diag((BRADFORD @ WHITE_D50) / (BRADFORD @ WHITE_D65))
    adapted: np.ndarray = np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ matrix
    return adapted


def _curve(gamma: float | None) -> bytes:
    kind, numbers = (0, (gamma,)) if gamma else (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    return b"para" + struct.pack(">4xH2x", kind) + _fixed(*numbers)


def _xyz(colour: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*colour)


def _fixed(*numbers: float) -> bytes:
    """Encode numbers as ICC s15Fixed16."""
    return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in numbers)
