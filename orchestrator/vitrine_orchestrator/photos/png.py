"""Reads PNG files with text chunks too long for Pillow, colour profiles, or transparent 16-bit colours."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from vitrine.profiles import MAX_PROFILE_BYTES, coded_profile

SIGNATURE_BYTES = 8
NOTES = (b"tEXt", b"zTXt", b"iTXt")  # some hold an orientation, so short ones are kept
MAX_NOTE_BYTES = 500_000  # largest unpacked note; longer notes are dropped
MAX_NOTES_BYTES = 4_000_000  # largest total of all notes; the notes after it are dropped
RGB = 2  # the colour type


class Chunk(NamedTuple):
    """A chunk of a PNG file."""

    kind: bytes
    body: memoryview
    whole: memoryview  # with its length, kind and checksum


def open_png(encoded: bytes) -> PngImageFile:
    """The picture with its header read, without long notes; `info` has the profile where Pillow puts it."""
    kept, icc, coded, length = [memoryview(encoded)[:SIGNATURE_BYTES]], None, None, 0
    for chunk in chunks(encoded):
        if chunk.kind == b"iCCP":
            icc = icc or _unpacked(chunk.body, bytes(chunk.body[:81]).find(b"\0") + 2, MAX_PROFILE_BYTES)
            continue
        if chunk.kind == b"cICP" and len(chunk.body) == 4:
            coded = coded_profile(chunk.body[0], chunk.body[1])
        if chunk.kind in NOTES:
            note = _note_length(chunk)
            length += min(note, MAX_NOTE_BYTES)
            if note > MAX_NOTE_BYTES or length > MAX_NOTES_BYTES:
                continue
        kept.append(chunk.whole)
    image = PngImageFile(io.BytesIO(b"".join(kept)))
    if profile := coded or icc:  # the PNG standard gives cICP precedence
        image.info["icc_profile"] = profile
    return image


def depth_of(encoded: bytes) -> int:
    """The bits of a sample."""
    return encoded[24]


def has_deep_key(encoded: bytes) -> bool:
    """Whether a 16-bit RGB picture has a transparent colour, of which Pillow reads only 8 bits."""
    return encoded[24] == 16 and encoded[25] == RGB and any(c.kind == b"tRNS" for c in chunks(encoded))


def with_deep_key(encoded: bytes, image: Image.Image) -> Image.Image:
    """The RGB image with the transparency of its 16-bit transparent colour."""
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    found = image.convert("RGB")
    found.info = {name: value for name, value in image.info.items() if name != "transparency"}
    if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4:
        found.putalpha(Image.fromarray(np.where(pixels[..., 3] > 0, np.uint8(255), np.uint8(0))))
    return found


def chunks(encoded: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG and a truncated last one; ancillary ones with a wrong checksum are skipped."""
    view, at = memoryview(encoded), SIGNATURE_BYTES
    while at + 8 <= len(view):
        length = int.from_bytes(view[at : at + 4], "big")
        kind, end = bytes(view[at + 4 : at + 8]), at + 12 + length
        chunk = Chunk(kind, view[at + 8 : at + 8 + length], view[at:end])
        if kind[:1].isupper() or end > len(view) or _is_intact(chunk):
            yield chunk
        at = end


def _is_intact(chunk: Chunk) -> bool:
    return zlib.crc32(chunk.whole[4:-4]) == int.from_bytes(chunk.whole[-4:], "big")


def _note_length(chunk: Chunk) -> int:
    """The unpacked bytes of a note; MAX_NOTE_BYTES + 1 for a packed one that is damaged or longer."""
    body = chunk.body
    keyword = bytes(body[:80]).find(b"\0")
    if chunk.kind == b"tEXt":
        return len(body)
    if chunk.kind == b"iTXt":
        if len(body) < keyword + 3 or not body[keyword + 1]:
            return len(body)
        rest = bytes(body[keyword + 3 : keyword + 400]).split(b"\0", 2)
        start = keyword + 3 + sum(len(part) + 1 for part in rest[:2])
    else:
        start = keyword + 2
    unpacked = _unpacked(body, start, MAX_NOTE_BYTES)
    return MAX_NOTE_BYTES + 1 if unpacked is None else len(unpacked)


def _unpacked(body: memoryview, start: int, most: int) -> bytes | None:
    """The unpacked bytes of a chunk from `start` on; None when damaged or longer than `most`."""
    try:
        unpacking = zlib.decompressobj()
        unpacked = unpacking.decompress(body[start:], most + 1)
    except zlib.error:
        return None
    return None if len(unpacked) > most else unpacked
