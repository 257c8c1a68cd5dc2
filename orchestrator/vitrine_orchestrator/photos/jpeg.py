"""Reads JPEG files that lack their end, when little is missing, as viewers do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

END = b"\xff\xd9"
MAX_LOST_SHARE = 0.1  # share of the rows; a picture that lacks more is refused as damaged
# Blocks have up to 16 rows and are decoded a few rows late: a cut of some bytes loses this many.
MAX_LOST_ROWS = 40
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
WITHOUT_LENGTH = (0x01, *range(0xD0, 0xDA))


def open_jpeg(encoded: bytes) -> JpegImageFile:
    """The picture, with its header read."""
    return JpegImageFile(io.BytesIO(encoded))


def load_cut(encoded: bytes) -> JpegImageFile:
    """The pixels of a JPEG that ends early; OSError when more than its last rows are missing.

    The missing rows are filled by the decoder: the last blocks are grey.
    """
    image = open_jpeg(encoded + END)
    image.load()
    lost = 0 if _has_all_scans(encoded) else _lost_rows(encoded, image)
    if lost > max(MAX_LOST_ROWS, MAX_LOST_SHARE * image.height):
        raise OSError(f"{lost} of {image.height} rows are missing")
    return image


def _lost_rows(encoded: bytes, completed: Image.Image) -> int:
    """The number of rows at the bottom that the decoder has filled."""
    partial = open_jpeg(encoded)
    with suppress(OSError):
        partial.load()
    partial.tile = []  # keep what was decoded: do not decode again
    same = (np.asarray(partial) == np.asarray(completed)).reshape(completed.height, -1).all(1)
    return completed.height - int(np.nonzero(same)[0].max(initial=-1)) - 1


def _has_all_scans(encoded: bytes) -> bool:
    """Whether a progressive JPEG contains the start of the last refinement scan of every component.

    A picture cut in that scan lacks only the last bit of some coefficients.
    """
    progressive, components, refined = False, 0, set[tuple[int, int]]()
    for marker, body in _segments(encoded):
        if marker in PROGRESSIVE and len(body) > 5:
            progressive, components = True, body[5]
        elif marker == 0xDA and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[-3], body[-2], body[-1] & 0x0F
            if bits == 0:
                refined |= {(body[1 + 2 * n], end) for n in range(body[0]) for end in (first, last)}
    last_seen = {component for component, end in refined if end == 63}
    return progressive and len(last_seen) == components


def _segments(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and their bodies, in order; the coded pixels are skipped."""
    at = 2
    while (at := encoded.find(b"\xff", at)) >= 0 and at + 4 <= len(encoded):
        marker = encoded[at + 1]
        if marker in (0x00, 0xFF) or marker in WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(encoded[at + 2 : at + 4], "big")
        yield marker, encoded[at + 4 : at + 2 + length]
        at += 2 + length
