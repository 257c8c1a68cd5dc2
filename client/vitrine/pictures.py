"""Pictures as callers have them, turned into encoded bytes for the wire."""

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

Of PIL images every mode is taken, and their colour profile counts; see `vitrine.modes.from_array` for arrays.
"""


def encode_picture(picture: Picture, name: str) -> bytes:
    """The bytes of an encoded picture: files and bytes as they are, the rest as lossless PNG.

    `name` says in errors which picture is meant. The limits on bytes and pixels are the server's.
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
    """One picture or a list of them, each encoded."""
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes | bytearray | memoryview):
        return [encode_picture(picture, f"{name}[{i}]") for i, picture in enumerate(pictures)]
    return [encode_picture(pictures, name)]


def decode_picture(encoded: bytes, name: str) -> Image.Image:
    """A picture that the server sent; `name` is the output's."""
    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
    except (UnidentifiedImageError, OSError) as error:
        raise VitrineError(f"{name}: the server's answer is not a picture ({len(encoded)} bytes)") from error
    return image


def _upright(image: Image.Image, name: str) -> Image.Image:
    """The image turned as its EXIF data ask; damaged EXIF data turn nothing."""
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise BadRequest(f"{name} cannot be decoded: {error}") from error
    try:
        return ImageOps.exif_transpose(image)
    except UNREADABLE_EXIF:
        return image.copy()


def _png(image: Image.Image) -> bytes:
    """A PNG of an sRGB image, without the notes and the profile of the picture that it was."""
    file = io.BytesIO()
    image.info = {}
    image.save(file, "PNG", compress_level=1)  # lossless; the fastest level, for the wire only
    return file.getvalue()


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{name}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise BadRequest(f"{name}: cannot read {str(path)!r}: {error}") from error
