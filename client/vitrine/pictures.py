"""Encodes the pictures of callers for the wire, and decodes the server's."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from vitrine.errors import BadRequest, VitrineError, one_line
from vitrine.modes import from_array, standard
from vitrine.photos.base64_text import bytes_of_text
from vitrine.photos.behind import loaded
from vitrine.photos.orientation import upright
from vitrine.photos.quiet import quiet
from vitrine.photos.reading import USUAL
from vitrine.photos.sides import LONGEST_JPEG, LONGEST_WEBP

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path, encoded bytes (PNG, JPEG, WebP, HEIC, AVIF), a data URL, a PIL image, or an array: HWC uint8 RGB.

PIL images may have any mode, and their colour profile is applied; see `vitrine.modes.from_array` for arrays.
"""

MAX_PNG_BYTES = USUAL.max_bytes  # a PNG beyond the server's usual limit is written in a smaller format
LONGEST_PATH = 4096  # characters; longer texts are no paths
QUOTED = 60  # characters of a text in messages


def encode_picture(picture: Picture, name: str) -> bytes:
    """Return the bytes of an encoded picture: files and bytes unchanged, the rest as lossless PNG.

    A PNG above 20 MB becomes JPEG of quality 95, or lossless WebP if it is transparent. Errors name the
    picture `name`. The server checks the limits on bytes and pixels. Raises BadRequest.
    """
    if isinstance(picture, Image.Image):
        return _written(_standard(picture, name))
    if isinstance(picture, np.ndarray):
        return _written(from_array(picture, name))
    if isinstance(picture, bytes | bytearray | memoryview):
        encoded = bytes(picture)
    elif isinstance(picture, str):
        encoded = _of_text(picture, name)
    elif isinstance(picture, os.PathLike):
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
        with quiet():
            image = Image.open(io.BytesIO(encoded))
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # decoders raise any class for a damaged file
        raise VitrineError(f"{name}: the server's answer is not a picture ({len(encoded)} bytes)") from error
    return image


def _standard(image: Image.Image, name: str) -> Image.Image:
    """Return the image upright, in 8-bit sRGB."""
    if 0 in image.size:
        raise BadRequest(f"{name} must have pixels, got {image.width}x{image.height}")
    try:
        with quiet():
            whole = loaded(image)
            return upright(whole, standard(whole, name))
    except (VitrineError, MemoryError):
        raise
    except Exception as error:  # decoders raise every class; some without words, as for a closed file
        reason = one_line(error) or "its file is closed or damaged"
        raise BadRequest(f"{name} cannot be decoded: {reason}") from error


def _written(image: Image.Image) -> bytes:
    """Return the file of an sRGB image, without the metadata and profile of the original picture."""
    plain = image.copy()
    plain.info = {}
    encoded = _saved(plain, "PNG", compress_level=1)  # the fastest level: the file is only sent
    if len(encoded) <= MAX_PNG_BYTES:
        return encoded
    if plain.mode == "RGBA" and max(plain.size) <= LONGEST_WEBP:
        return _saved(plain, "WEBP", lossless=True, quality=20, method=0, exact=True)
    if plain.mode in ("L", "RGB") and max(plain.size) <= LONGEST_JPEG:
        return _saved(plain, "JPEG", quality=95, subsampling=0)
    return encoded


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _of_text(text: str, name: str) -> bytes:
    """Return the picture of a data URL, or of the file at a path."""
    start = text[:QUOTED].lstrip().lower()
    if start.startswith("data:"):
        return bytes_of_text(text.encode(errors="replace"), name)
    quoted = repr(text if len(text) <= QUOTED else f"{text[:QUOTED]}…")
    if "://" in start:
        raise BadRequest(f"{name} must be a path, got the address {quoted}: fetch it and send its bytes")
    if not text or len(text) > LONGEST_PATH:
        raise BadRequest(
            f"{name} must be the path of a file, got {len(text)} characters: {quoted}; base64 text goes as "
            "bytes: base64.b64decode(text)"
        )
    return _read(Path(text), name)


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{name}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise BadRequest(f"{name}: cannot read {str(path)!r}: {error}") from error
