"""Reads a JPEG file's segments: its form, and a header without what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

START = b"\xff\xd8"
SCAN, EXIF, ICC, ADOBE, JFIF = 0xDA, 0xE1, 0xE2, 0xEE, 0xE0
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # markers with a size
TABLES = frozenset(range(0xC0, 0xD0)) | {0xDB, 0xDC, 0xDD}  # with Huffman's, quantisation's, restarts
# Of a segment: the markers without length have no body.
MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd9\xff])")
MOST_SEGMENTS = 10_000  # that are looked at: a photo has about 20
EXIF_MARK = b"Exif\0\0"
LOSSLESS = {0xC3: "a lossless JPEG", 0xC7: "a lossless JPEG", 0xCB: "a lossless JPEG", 0xF7: "a JPEG-LS"}
SHORTEST = (
    (JFIF, b"JFIF\0", 12),
    (ICC, b"ICC_PROFILE\0", 15),
    (ADOBE, b"Adobe", 12),
    (EXIF, b"http://ns.adobe.com/xap/1.0/\0", 30),
)
"""Metadata that are kept: marker, first bytes, and the fewest bytes of a whole one."""


class Segment(NamedTuple):
    """A segment of a JPEG: where it begins, its marker, and its body, which may be cut."""

    at: int
    marker: int
    body: bytes


def segments(encoded: bytes) -> Iterator[Segment]:
    """The first segments in order; the coded pixels are skipped."""
    end = len(START)
    for _ in range(MOST_SEGMENTS):
        found = MARKER.search(encoded, end)
        if found is None or found.end() + 2 > len(encoded):
            return
        at = found.start()
        length = int.from_bytes(encoded[at + 2 : at + 4], "big")
        yield Segment(at, encoded[at + 1], encoded[at + 4 : at + 2 + length])
        end = at + 2 + length


def unread_form(encoded: bytes) -> str | None:
    """The name of a JPEG of a form that no decoder here reads; None for the usual form."""
    for _, marker, body in segments(encoded):
        if marker in FRAMES:
            bits = body[0] if body else 8
            return LOSSLESS.get(marker) or (f"a JPEG of {bits} bits" if bits in (12, 16) else None)
    return None


def with_plain_header(encoded: bytes) -> tuple[bytes, bytes | None] | None:
    """The file with the well-formed segments that decide on its pixels and colours, and its EXIF data.

    None where the header never ends.
    """
    kept, exif = [START], None
    for at, marker, body in segments(encoded):
        if marker == SCAN:
            return b"".join(kept) + encoded[at:], exif
        if marker == EXIF and body.startswith(EXIF_MARK):
            exif = exif or body
        elif marker in TABLES or any(
            marker == known and body.startswith(mark) and len(body) >= fewest
            for known, mark, fewest in SHORTEST
        ):
            kept.append(encoded[at : at + 4 + len(body)])
    return None
