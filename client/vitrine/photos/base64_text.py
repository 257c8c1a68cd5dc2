"""Reads the base64 text of pictures in the forms in which programs write it."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

from vitrine.errors import BadRequest
from vitrine.photos.kinds import A_DATA_URL, ANOTHER_KIND, BASE64_TEXT, MARK, describe, known_kind

LONGEST_HEADER = 4096  # bytes of a data URL before its text
HEADER = re.compile(rb"\s*data:(?:[^,\"]|\"[^\"]*\")*?\bbase64\s*,", re.I)
QUOTES = re.compile(rb"b?(['\"])(.*)\1\Z", re.S)  # of JSON, or of Python's str(bytes)
MARKS = (MARK, b"\xff\xfe", b"\xfe\xff")  # of UTF-8, and of both orders of UTF-16
NO_BREAK_SPACE = b"\xc2\xa0"
BAD = re.compile(rb"[^A-Za-z0-9+/]")
HEX = re.compile(rb"[0-9A-Fa-f]+\Z")
NO_TEXTS = (b"undefined", b"null", b"none", b"nan", b"false", b"true")
SHORTEST_LINE = 40  # characters between spaces that take the place of line breaks


def bytes_of_text(text: bytes, name: str) -> bytes:
    """The bytes of base64 text or of a data URL, empty for empty text; BadRequest when it is neither.

    Read too: a byte order mark, quotes, slashes and line breaks with a backslash, percent-encoding, spaces
    for `+`, the alphabet of URLs, line breaks, and padding of any length.
    """
    body = _without_header(_without_quotes(_plain(text)))
    packed = _packed(body)
    wrong = _what_is_wrong(packed, text)
    if wrong:
        raise BadRequest(f"{name} must be base64 text or a data URL of it, got {wrong}")
    return base64.b64decode(packed + b"=" * (-len(packed) % 4))


def _plain(text: bytes) -> bytes:
    """The text in UTF-8 without its byte order mark."""
    if text.startswith(MARKS[1:]):
        text = text.decode("utf-16", errors="replace").encode(errors="replace")
    return text.removeprefix(MARKS[0]).strip().removeprefix(NO_BREAK_SPACE)


def _without_quotes(text: bytes) -> bytes:
    quoted = QUOTES.match(text) if text[:1] in b"b'\"" else None
    return quoted[2] if quoted else text


def _without_header(text: bytes) -> bytes:
    header = HEADER.match(text[:LONGEST_HEADER])
    return text[header.end() :] if header else text


def _packed(body: bytes) -> bytes:
    """The text without white space and padding, in base64's usual alphabet."""
    if b"\\" in body:
        body = body.replace(b"\\/", b"/").replace(b"\\n", b"\n").replace(b"\\r", b"\r")
    if b"%" in body:
        body = unquote_to_bytes(body)
    body = body.strip()
    if b" " in body and not _is_wrapped(body):
        body = body.replace(b" ", b"+")
    return b"".join(body.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")


def _is_wrapped(body: bytes) -> bool:
    """Whether spaces separate lines, and do not stand for `+`."""
    words = body.split()
    if len(words) != body.count(b" ") + 1:  # there is other white space too, or several spaces in a row
        return any(mark in body for mark in (b"\n", b"\r", b"\t"))
    length = len(words[0])
    equal = all(len(word) == length for word in words[:-1]) and len(words[-1]) <= length
    return equal and length >= SHORTEST_LINE and length % 4 == 0


def _what_is_wrong(packed: bytes, text: bytes) -> str | None:
    """A description of what was sent instead of base64 text; None if it can be decoded."""
    if packed[:10].lower() in NO_TEXTS:
        return f"the word {packed.decode()!r}"
    bad = BAD.search(packed)
    if bad is None:
        if HEX.match(packed[:64]) and len(packed) > 32 and known_kind(bytes.fromhex(packed[:32].decode())):
            return "a picture's hexadecimal text"
        return f"text that was cut after {len(packed)} characters" if len(packed) % 4 == 1 else None
    if kind := known_kind(text):
        return f"the bytes of a {kind} file"
    described = describe(text)
    if ANOTHER_KIND not in described and described not in (BASE64_TEXT, A_DATA_URL):
        return described
    found = packed[bad.start() : bad.start() + 4].decode(errors="replace")[0]
    return f"the character {found!r} after {bad.start()} characters of base64"
