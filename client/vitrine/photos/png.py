"""Reads PNG files by the chunks that count: pixels, profile, transparency, and notes with an orientation.

All other chunks are left out, so that no long, damaged or oddly named one stops Pillow or changes a pixel.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from vitrine.profiles import MAX_PROFILE_BYTES, coded_profile

SIGNATURE_BYTES = 8
NOTES = (b"tEXt", b"zTXt", b"iTXt")
NOTES_WITH_ORIENTATION = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1")
MAX_NOTE_BYTES = 500_000  # largest unpacked note; longer notes are dropped
MAX_NOTES_BYTES = 4_000_000  # largest total of all notes; the notes after it are dropped
GREY, RGB, PALETTE = 0, 2, 3  # colour types
KEY_BYTES = {GREY: 2, RGB: 6}  # length of a transparent colour


class Chunk(NamedTuple):
    """A chunk of a PNG file."""

    kind: bytes
    body: memoryview
    whole: memoryview  # with its length, kind and checksum


def open_png(encoded: bytes) -> PngImageFile:
    """The picture with its header read; `info` has the profile where Pillow puts it."""
    kept, icc, coded = [memoryview(encoded)[:SIGNATURE_BYTES]], None, None
    notes, colours = 0, 0
    for chunk in chunks(encoded):
        match chunk.kind:
            case b"iCCP":
                icc = icc or _unpacked(chunk.body, bytes(chunk.body[:81]).find(b"\0") + 2, MAX_PROFILE_BYTES)
            case b"cICP" if len(chunk.body) == 4:
                coded = coded_profile(chunk.body[0], chunk.body[1])
            case b"PLTE":
                colours = len(chunk.body) // 3
        if chunk.kind in NOTES:
            note = _note_length(chunk)
            notes += min(note, MAX_NOTE_BYTES)
            if note > MAX_NOTE_BYTES or notes > MAX_NOTES_BYTES:
                continue
        if _counts(chunk, encoded[25], colours):
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
    return encoded[24] == 16 and encoded[25] == RGB and _key(encoded) is not None


def with_deep_key(encoded: bytes, image: Image.Image) -> Image.Image:
    """The RGB image with the transparency of its 16-bit transparent colour.

    OpenCV compares all bits; without it (the client alone) the upper 8 bits decide.
    """
    found = image.convert("RGB")
    found.info = {name: value for name, value in image.info.items() if name != "transparency"}
    clear = _clear_of_sixteen(encoded)
    if clear is None:
        clear = (np.asarray(found) == np.frombuffer(_key(encoded) or bytes(6), np.uint8)[::2]).all(-1)
    if clear.any():
        found.putalpha(Image.fromarray(np.where(clear, np.uint8(0), np.uint8(255))))
    return found


def _clear_of_sixteen(encoded: bytes) -> np.ndarray | None:
    """Where a picture has its transparent colour (h, w); None without OpenCV, or where it cannot read it."""
    try:
        import cv2
    except ImportError:
        return None
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        return None
    return np.asarray(pixels[..., 3] == 0)


def _key(encoded: bytes) -> bytes | None:
    """The transparent colour of a 16-bit RGB picture, two bytes each."""
    found = (chunk.body for chunk in chunks(encoded) if chunk.kind == b"tRNS" and len(chunk.body) == 6)
    body = next(found, None)
    return None if body is None else bytes(body)


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


def _counts(chunk: Chunk, colour: int, colours: int) -> bool:
    """Whether a chunk decides on pixels, transparency or orientation, and is well formed.

    `colours` is the length of the palette before it: a transparency of another length has no meaning.
    """
    if chunk.kind == b"tRNS":
        length = len(chunk.body)
        return 0 < length <= colours if colour == PALETTE else length == KEY_BYTES.get(colour)
    if chunk.kind in NOTES:
        return bytes(chunk.body[:80]).partition(b"\0")[0] in NOTES_WITH_ORIENTATION
    return chunk.kind == b"eXIf" or chunk.kind[:1].isupper()


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
