"""Recognises files by their first bytes: the kinds of picture that are read, and names of other kinds."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

from vitrine.photos.refusals import IsText, Unreadable

Kind = Literal["PNG", "JPEG", "WebP", "HEIC", "AVIF"]
READ = ", ".join(get_args(Kind)[:-1]) + f" or {get_args(Kind)[-1]}"

START = 2048  # bytes that are examined
QUOTED = 40  # characters of a text that are quoted
AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
MARK = b"\xef\xbb\xbf"  # of UTF-8 text


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
    Mark(0, b"II\xbc", "a JPEG XR"),
    Mark(0, b"FUJIFILMCCD-RAW", "a camera's raw file (RAF)"),
    Mark(0, b"IIU\0", "a camera's raw file (RW2)"),
    Mark(0, b"IIRO", "a camera's raw file (ORF)"),
    Mark(4, b"ftypcrx ", "a camera's raw file (CR3)"),
    Mark(0, b"8BPS", "a Photoshop file (PSD)"),
    Mark(0, b"gimp xcf", "a GIMP file (XCF)"),
    Mark(0, b"v/1\x01", "an OpenEXR"),
    Mark(0, b"icns", "an icon (ICNS)"),
    Mark(4, b"moov", "a video (MOV)"),  # before the icon, whose mark its length can resemble
    Mark(4, b"mdat", "a video (MOV)"),
    Mark(4, b"wide", "a video (MOV)"),
    Mark(0, b"\0\0\1\0", "an icon (ICO)"),
    Mark(0, b"\0\0\2\0", "a cursor (CUR)"),
    Mark(0, b"%PDF", "a PDF"),
    Mark(0, b"%!PS", "a PostScript file"),
    Mark(0, b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    Mark(0, b"qoif", "a QOI"),
    Mark(0, b"PK\3\4", "a ZIP archive"),
    Mark(0, b"PK\5\6", "an empty ZIP archive"),
    Mark(0, b"Rar!\x1a\7", "a RAR archive"),
    Mark(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    Mark(0, b"\x1f\x8b", "gzip data"),
    Mark(0, b"\x93NUMPY", "a NumPy file (.npy)"),
    Mark(4, b"ftypM4A ", "a sound file (M4A)"),
    Mark(4, b"ftyp", "a video (MP4 or MOV)"),
    Mark(8, b"AVI LIST", "a video (AVI)"),
    Mark(0, b"\x1aE\xdf\xa3", "a video (WebM or MKV)"),
    Mark(0, b"\0\5\x16\7", "a file of macOS with metadata only (._NAME)"),
    Mark(0, b"\x89PNG\n", "a PNG whose line ends were changed (send it as binary)"),
    Mark(0, MARK + b"\xff\xd8\xff", "a JPEG with a byte order mark before it"),
    Mark(0, b"\xef\xbf\xbdPNG", "a PNG that was read as text, and lost"),
    Mark(
        0,
        b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
        "a picture that was read as text, and lost",
    ),
    Mark(0, b"\xc2\x89PNG", "a PNG that was written as text"),
    Mark(0, b"b'\\x", "Python's text of bytes"),
    Mark(0, b"version https://git-lfs.github.com/spec", "a Git LFS pointer (run git lfs pull)"),
)
ANOTHER_KIND = "bytes of another kind"
A_DATA_URL, A_URL, BASE64_TEXT = "a data URL of base64 text", "a URL, and nothing is fetched", "base64 text"
TEXT_FORMATS = (
    (
        re.compile(
            rb"(?><\?xml[^>]*>\s*)?(?>(?:<!--.*?-->|<!DOCTYPE svg[^>\[]*(?:\[.*?\])?\s*>)\s*)*+<svg\b",
            re.I | re.S,
        ),
        "an SVG",
    ),
    (
        re.compile(
            rb"(?><!--.*?-->\s*)?<(?:!doctype html|(?:html|head|body|div|p|br|b|h1|span|script)\b)",
            re.I | re.S,
        ),
        "an HTML page, perhaps an error page",
    ),
    (re.compile(rb"<\?xml|<[A-Za-z]+[ >]"), "XML, perhaps a store's error message"),
    (re.compile(rb"data:[^,]*\bbase64\s*,", re.I), A_DATA_URL),
    (re.compile(rb"data:[\w/+.;=-]*,", re.I), "a data URL of other text than base64"),
    (re.compile(rb"(?:blob:|[a-z][a-z0-9+.-]*://)", re.I), A_URL),
    (re.compile(rb"--[^\n]*\nContent-Disposition:", re.I), "the whole body of a form"),
    (re.compile(rb'[{\[]\s*["{\[\]}\d-]'), "JSON"),
    (re.compile(rb"P[1-7]\s[\d\s#]"), "a PPM or another Netpbm file"),
)  # at the start of text, after white space and a byte order mark; comments are atomic, or many take years
BASE64 = re.compile(rb"b?[\"']?[A-Za-z0-9+/_-]{24,}={0,2}[\"']?\Z")
SHORTEST_WORD = 24  # characters of base64 between spaces; shorter words are prose
HEX = re.compile(rb"[0-9A-Fa-f]{24,}\Z")


def kind_of(encoded: bytes, name: str) -> Kind:
    """The kind of a picture; for any other file, Unreadable says what it is and what to send."""
    if kind := known_kind(encoded):
        return kind
    description = describe(encoded)
    wrong = IsText if description in (A_DATA_URL, A_URL, BASE64_TEXT) else Unreadable
    begins = _beginning(encoded) if ANOTHER_KIND in description else ""
    raise wrong(f"{name} is {description}; send {READ}{begins}")


def known_kind(encoded: bytes) -> Kind | None:
    """The kind of a picture that is read; None for any other file."""
    for at, mark, kind in READABLE:
        if encoded[at : at + len(mark)] == mark:
            return kind
    brands = _brands(encoded)
    if brands & set(AVIF_BRANDS):
        return "AVIF"
    return "HEIC" if brands & set(HEIC_BRANDS) else None


def describe(encoded: bytes) -> str:
    """A description in words of a file that is not read."""
    if not encoded:
        return "empty (0 bytes)"
    found = next((m.name for m in OTHER_FORMATS if encoded[m.at : m.at + len(m.mark)] == m.mark), None)
    return found or _describe_text(encoded) or f"{len(encoded)} {ANOTHER_KIND}"


def _describe_text(encoded: bytes) -> str | None:
    """A description of text by its start; None for what is no text of a known form."""
    start = encoded[:START].removeprefix(MARK).lstrip()
    if found := next((description for pattern, description in TEXT_FORMATS if pattern.match(start)), None):
        return found
    words = start.split()
    packed = b"".join(words)
    if HEX.match(packed):
        return "hexadecimal text"
    longest = max(map(len, words), default=0)
    return BASE64_TEXT if longest >= SHORTEST_WORD and BASE64.match(packed) else None


def _beginning(encoded: bytes) -> str:
    """What a file of unknown kind begins with, where that is plain text or nothing but zeros."""
    if encoded and not any(encoded):
        return "; all of them are zero"
    text = " ".join(encoded[:QUOTED].decode(errors="ignore").split())
    plain = text.isprintable() and len(text) >= min(len(encoded), QUOTED) / 2
    return f"; it begins with {text!r}" if plain else ""


def _brands(encoded: bytes) -> set[bytes]:
    """The brands in a HEIF container's first box, including the major one; empty for other files."""
    if encoded[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(encoded[:4], "big"), START, len(encoded))
    return {encoded[8:12], *(encoded[at : at + 4] for at in range(16, end - 3, 4))}
