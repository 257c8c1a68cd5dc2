"""Encodes the pictures of callers for the wire, and decodes the server's."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vitrine.errors import BadRequest, VitrineError
from vitrine.modes import from_array, standard
from vitrine.profiles import UNREADABLE_EXIF

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path, encoded bytes (PNG, JPEG, WebP, HEIC, AVIF), a PIL image, or an array such as HWC uint8 RGB.

PIL images may have any mode, and their colour profile is applied; see `vitrine.modes.from_array` for arrays.
"""


def encode_picture(picture: Picture, name: str) -> bytes:
    """Return the bytes of an encoded picture: files and bytes unchanged, the rest as lossless PNG.

    Errors name the picture `name`. The server checks the limits on bytes and pixels. Raises BadRequest.
    """
    if isinstance(picture, Image.Image):
        return _png(standard(_upright(picture, name), name))
    if isinstance(picture, np.ndarray):
        return _png(from_array(picture, name))
    if isinstance(picture, bytes | bytearray | memoryview):
        encoded = bytes(picture)
    elif isinstance(picture, str | os.PathLike):
        encoded = _read(Path(picture), name)
    else:
        raise BadRequest(
            f"{name} must be a path, bytes, a PIL image or an array, got {type(picture).__name__}"
        )
    if not encoded:
        raise BadRequest(f"{name} must be a picture, got 0 bytes")
    return encoded


def encode_pictures(pictures: Picture | Sequence[Picture], name: str) -> list[bytes]:
    """Encode one picture or a list of pictures."""
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes | bytearray | memoryview):
        return [encode_picture(picture, f"{name}[{i}]") for i, picture in enumerate(pictures)]
    return [encode_picture(pictures, name)]


def decode_picture(encoded: bytes, name: str) -> Image.Image:
    """Decode a picture of the server; `name` is the name of the output, for errors."""
    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
    except (UnidentifiedImageError, OSError) as error:
        raise VitrineError(f"{name}: the server's answer is not a picture ({len(encoded)} bytes)") from error
    return image


def _upright(image: Image.Image, name: str) -> Image.Image:
    """Rotate the image as its EXIF orientation says; damaged EXIF data are ignored."""
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise BadRequest(f"{name} cannot be decoded: {error}") from error
    try:
        return ImageOps.exif_transpose(image)
    except UNREADABLE_EXIF:
        return image.copy()


def _png(image: Image.Image) -> bytes:
    """Return a PNG of an sRGB image, without the metadata and profile of the original picture."""
    file = io.BytesIO()
    image.info = {}
    image.save(file, "PNG", compress_level=1)  # the fastest level: the file is only sent
    return file.getvalue()


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{name}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise BadRequest(f"{name}: cannot read {str(path)!r}: {error}") from error
