"""Reads AVIF files with the colour codes that Pillow leaves out."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL.AvifImagePlugin import AvifImageFile

INSIDE = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes that lead to the colours, and the bytes before the boxes in them."""


def open_avif(encoded: bytes) -> AvifImageFile:
    """The picture with its header read; `info` has the codes of its colours where it has no profile."""
    image = AvifImageFile(io.BytesIO(encoded))
    if "icc_profile" not in image.info and (codes := colour_codes(encoded)):
        image.info["nclx_profile"] = codes
    return image


def colour_codes(encoded: bytes) -> dict[str, int] | None:
    """The H.273 codes of the first colour box of a HEIF container, named as pillow_heif names them."""
    for kind, body in _boxes(memoryview(encoded)):
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 8:
            primaries, transfer = (int.from_bytes(body[at : at + 2], "big") for at in (4, 6))
            return {"color_primaries": primaries, "transfer_characteristics": transfer}
    return None


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes, with those inside the boxes that lead to the colours."""
    at = 0
    while at + 8 <= len(view):
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        if length < 8:  # to the end of the file, or in 64 bits, as only the pixels' box is
            return
        body = view[at + 8 : at + length]
        yield kind, body
        if kind in INSIDE:
            yield from _boxes(body[INSIDE[kind] :])
        at += length
