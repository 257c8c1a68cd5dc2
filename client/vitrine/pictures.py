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

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path, encoded bytes (PNG, JPEG, WebP), a PIL image, or an array HWC uint8 RGB."""

_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}


def encode_picture(picture: Picture, name: str) -> bytes:
    """The bytes of an encoded picture: files and bytes as they are, the rest as lossless PNG.

    `name` says in errors which picture is meant. The limits on bytes and pixels are the server's.
    """
    if isinstance(picture, Image.Image):
        return _png(ImageOps.exif_transpose(picture))
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise BadRequest(f"{name} must be HWC uint8 RGB, got {picture.dtype} of shape {picture.shape}")
        return _png(Image.fromarray(picture))
    if isinstance(picture, bytes):
        encoded = picture
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
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes):
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


def _png(image: Image.Image) -> bytes:
    if image.mode not in _PNG_MODES:  # CMYK, YCbCr, F …
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)  # lossless; the fastest level, for the wire only
    return file.getvalue()


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{name}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise BadRequest(f"{name}: cannot read {str(path)!r}: {error}") from error
