"""Recognises files by their first bytes: the kinds of picture that are read, and names of other kinds."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal, NamedTuple, get_args

from vitrine.errors import BadRequest

Kind = Literal["PNG", "JPEG", "WebP", "HEIC", "AVIF"]
READ = ", ".join(get_args(Kind)[:-1]) + f" or {get_args(Kind)[-1]}"

BASE64_OPTION = 'the input encoding set to "base64"'
START = 512  # bytes that are examined
AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


class Mark(NamedTuple):
    """The mark of a format: its offset, its bytes, and the format's name."""

    at: int
    mark: bytes
    name: str


READABLE: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
)
OTHER_FORMATS = (
    Mark(0, b"GIF8", "a GIF"),
    Mark(0, b"BM", "a BMP"),
    Mark(0, b"II*\0", "a TIFF"),
    Mark(0, b"MM\0*", "a TIFF"),
    Mark(0, b"II+\0", "a TIFF"),
    Mark(0, b"MM\0+", "a TIFF"),
    Mark(0, b"\xff\x0a", "a JPEG XL"),
    Mark(0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
    Mark(0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
    Mark(0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    Mark(0, b"8BPS", "a Photoshop file (PSD)"),
    Mark(0, b"\0\0\1\0", "an icon (ICO)"),
    Mark(0, b"%PDF", "a PDF"),
    Mark(0, b"%!PS", "a PostScript file"),
    Mark(0, b"qoif", "a QOI"),
    Mark(0, b"PK\3\4", "a ZIP archive"),
    Mark(0, b"\x1f\x8b", "gzip data"),
    Mark(0, b"\x93NUMPY", "a NumPy file (.npy)"),
    Mark(4, b"ftyp", "a video (MP4 or MOV)"),
    Mark(0, b"\x1aE\xdf\xa3", "a video (WebM or MKV)"),
    Mark(0, b"version https://git-lfs.github.com/spec", "a Git LFS pointer (run git lfs pull)"),
)
TEXT_FORMATS = (
    (
        re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg\b", re.I | re.S),
        "an SVG",
    ),
    (re.compile(rb"<!doctype html|<html|<head|<body", re.I), "an HTML page, perhaps an error page"),
    (re.compile(rb"<\?xml|<[A-Za-z]+[ >]"), "XML, perhaps a store's error message"),
    (re.compile(rb"data:[\w/+.;=-]*base64,", re.I), "a data URL of base64 text"),
    (re.compile(rb"[a-z][a-z0-9+.-]*://", re.I), "a URL, and the server fetches nothing"),
    (re.compile(rb'[{\[]\s*["{\[\]}\d-]'), "JSON"),
)  # patterns at the start of text, after white space and a byte order mark
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}\Z")
DATA_URL = re.compile(rb"\s*data:[^,]{0,200};base64,", re.I)


def kind_of(encoded: bytes, name: str) -> Kind:
    """The kind of a picture; for any other file, BadRequest says what it is and what to send."""
    for at, mark, kind in READABLE:
        if encoded[at : at + len(mark)] == mark:
            return kind
    brands = _brands(encoded)
    if brands & set(AVIF_BRANDS):
        return "AVIF"
    if brands & set(HEIC_BRANDS):
        return "HEIC"
    description = describe(encoded)
    hint = (
        f"; base64 text goes with {BASE64_OPTION}" if "base64" in description or "URL" in description else ""
    )
    raise BadRequest(f"{name} is {description}; send {READ}{hint}")


def describe(encoded: bytes) -> str:
    """A description in words of a file that is not read."""
    if not encoded:
        return "empty (0 bytes)"
    found = next((m.name for m in OTHER_FORMATS if encoded[m.at : m.at + len(m.mark)] == m.mark), None)
    return found or _describe_text(encoded) or f"{len(encoded)} bytes of another kind"


def bytes_of_text(text: bytes, name: str) -> bytes:
    """The decoded bytes of base64 text or of a data URL; BadRequest when it is neither."""
    body = DATA_URL.sub(b"", text, count=1)
    packed = b"".join(body.split()).translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        description = describe(text)
        raise BadRequest(
            f"{name} must be base64 text or a data URL where encoding is base64, got {description}"
        ) from error


def _brands(encoded: bytes) -> set[bytes]:
    """The brands in a HEIF container's first box, including the major one; empty for other files."""
    if encoded[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(encoded[:4], "big"), START, len(encoded))
    return {encoded[8:12], *(encoded[at : at + 4] for at in range(16, end - 3, 4))}


def _describe_text(encoded: bytes) -> str | None:
    start = encoded[:START].removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((description for pattern, description in TEXT_FORMATS if pattern.match(start)), None)
    if found:
        return found
    return "base64 text" if BASE64.match(b"".join(start.split())) else None
