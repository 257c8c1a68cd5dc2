"""The base64 text of pictures in the forms in which programs write it, and what is said of other text."""

import base64
import re
from urllib.parse import quote

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine.photos.base64_text import bytes_of_text

RAW = b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).integers(0, 256, 5003, np.uint8).tobytes()
TEXT = base64.b64encode(RAW).decode()
LINES = [TEXT[at : at + 76] for at in range(0, len(TEXT), 76)]
DATA = "data:image/png;base64,"

DIALECTS = {
    "plain": TEXT,
    "a byte order mark": "\ufeff" + TEXT,
    "a byte order mark before a data URL": "\ufeff" + DATA + TEXT,
    "UTF-16": TEXT.encode("utf-16"),
    "lines": "\r\n".join(LINES) + "\n",
    "spaces for line breaks": " ".join(LINES),
    "literal line breaks": "\\n".join(LINES),
    "escaped slashes": TEXT.replace("/", "\\/"),
    "spaces for +": TEXT.replace("+", " "),
    "spaces for + in a data URL": DATA + TEXT.replace("+", " "),
    "percent-encoding": DATA + quote(TEXT, safe=""),
    "an encoded end": DATA + TEXT.replace("=", "%3D"),
    "no padding": TEXT.rstrip("="),
    "too much padding": TEXT + "==",
    "the alphabet of URLs": base64.urlsafe_b64encode(RAW).decode(),
    "quotes": f'"{TEXT}"',
    "Python's bytes": f"b'{TEXT}'",
    "a data URL with spaces": "data:image/png; base64, " + TEXT,
    "a data URL with a parameter": "data:image/png;charset=utf-8;base64," + TEXT,
    "a data URL with a quoted comma": 'data:image/png;name="a,b.png";base64,' + TEXT,
    "a data URL with a long name": f"data:image/png;name={'a' * 300}.png;base64," + TEXT,
    "a data URL without a type": "data:;base64," + TEXT,
    "a data URL without a semicolon": "data:base64," + TEXT,
    "a data URL in capitals": "DATA:image/png;BASE64," + TEXT,
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_read(text):
    """Every form of the same text gives the same bytes."""
    assert bytes_of_text(text if isinstance(text, bytes) else text.encode(), "person") == RAW


def test_empty_text_is_no_bytes():
    """The reader of pictures then says that the picture is empty."""
    assert bytes_of_text(b" \n", "person") == b""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT[:401], "text that was cut after 401 characters"),
        (TEXT[:100] + "*" + TEXT[100:], "the character '*' after 100 characters of base64"),
        ("ü" + TEXT, "the character 'ü' after 0 characters of base64"),
        (TEXT + TEXT, f"the character '=' after {len(TEXT.rstrip('='))} characters of base64"),
        (RAW.hex(), "a picture's hexadecimal text"),
        (DATA + "undefined", "the word 'undefined'"),
        ("https://shop.example/coat.png", "a URL"),
        ("<!doctype html><title>404</title>", "an HTML page"),
        (RAW, "the bytes of a PNG file"),
        (b"GIF89a\0\1", "a GIF"),
    ],
)
def test_other_text_is_told_from_base64(text, said):
    """The message says what is wrong and where, in one short line."""
    with pytest.raises(
        BadRequest, match=re.escape(f"person must be base64 text or a data URL of it, got {said}")
    ) as no:
        bytes_of_text(text if isinstance(text, bytes) else text.encode(), "person")
    assert len(str(no.value)) < 150
    assert "got base64 text" not in str(no.value)
