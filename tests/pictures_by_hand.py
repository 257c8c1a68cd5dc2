"""Writes files that Pillow cannot write: PNGs of every depth, chunk by chunk, and ICC profiles."""

import struct
import zlib

import numpy as np
from vitrine.profiles import Space, written

PRO_PHOTO = Space((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), gamma=1.8)


def chunk(kind, body):
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, depth, colour, *extra):
    """A PNG of (h, w) or (h, w, c) samples below 2**depth; the `extra` chunks go before the pixels."""
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    bits = flat[..., None] >> np.arange(depth - 1, -1, -1) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = chunk(b"IHDR", struct.pack(">IIBB3x", width, height, depth, colour))
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def profile(space):
    """The ICC profile of a colour space."""
    return written(space)
