"""Reads JPEG files with odd metadata, and those that lack little of their end, as viewers do."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from vitrine.photos.segments import SCAN, segments, with_plain_header

END = b"\xff\xd9"
MAX_LOST_SHARE = 0.1  # share of the rows; a picture that lacks more is refused as damaged
# Blocks have up to 16 rows and are decoded a few rows late: a cut of some bytes loses this many.
MAX_LOST_ROWS = 40
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)


def open_jpeg(encoded: bytes) -> JpegImageFile:
    """The picture, with its header read: without the segments that stop Pillow, if some do."""
    if not any(segment.marker == SCAN for segment in segments(encoded)):
        raise SyntaxError("the header does not end")  # Pillow would look for its end byte by byte
    try:
        return JpegImageFile(io.BytesIO(encoded))
    except Exception:  # of any class: Pillow parses metadata that are not needed here
        found = with_plain_header(encoded)
        if found is None:
            raise
    plain, exif = found
    image = JpegImageFile(io.BytesIO(plain))
    if exif:
        image.info["exif"] = exif
    return image


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
    for _, marker, body in segments(encoded):
        if marker in PROGRESSIVE and len(body) > 5:
            progressive, components = True, body[5]
        elif marker == SCAN and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[-3], body[-2], body[-1] & 0x0F
            if bits == 0:
                refined |= {(body[1 + 2 * n], end) for n in range(body[0]) for end in (first, last)}
    last_seen = {component for component, end in refined if end == 63}
    return progressive and len(last_seen) == components
