"""Hundreds of damaged, huge and disguised pictures: each is refused, or becomes a plain picture of ours."""

import io
import random
import struct
import zipfile
import zlib

import pytest
from noise_pictures import picture
from PIL import Image, PngImagePlugin
from vitrine.errors import BadRequest
from vitrine_gateway.errors import NotAPicture, TooLarge
from vitrine_gateway.pictures.reading import PictureReader

KINDS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF")
MARK = b"<script>steal()</script>"
MAX_BYTES, MAX_PIXELS = 300_000, 100_000


def chunk(kind, data):
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *more, body=b""):
    """A PNG that claims a size; `more` are chunks before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(more)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def archive():
    """A ZIP with a page."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("index.html", MARK)
    return file.getvalue()


def with_text():
    """A PNG with a text, an ICC profile that is none, and a mark in both."""
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", MARK.decode())
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG", pnginfo=info, icc_profile=MARK * 20)
    return file.getvalue()


def damaged():
    """Cut and altered pictures of every kind, always the same ones."""
    draw = random.Random(7)
    for kind in KINDS:
        whole = picture(size=(64, 64), kind=kind)
        for _ in range(20):
            yield whole[: draw.randrange(1, len(whole))]
        for _ in range(60):
            changed = bytearray(whole)
            for _ in range(draw.choice((1, 4, 30))):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            yield bytes(changed)


BOMB = zlib.compress(b"\0" * 50_000_000)
DISGUISED = [
    png(2**31 - 1, 2**31 - 1), png(65_535, 65_535), png(1, 10**9), png(10**9, 1), png(0, 0), png(400, 400),
    png(64, 64, chunk(b"zTXt", b"a\0\0" + BOMB)), png(64, 64, chunk(b"iCCP", b"a\0\0" + BOMB)),
    png(64, 64, chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)), png(64, 64, body=b"\0" * 10_000_000),
    png(64, 64, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))), png(64, 64, chunk(b"eXIf", MARK * 9)),
    picture(size=(64, 64)) + archive(), archive() + picture(size=(64, 64)), picture(size=(64, 64)) + MARK,
    picture(size=(64, 64), kind="JPEG", comment=MARK), picture(size=(64, 64), kind="JPEG") + MARK,
    with_text(),
    b"GIF89a" + MARK, b"BM" + MARK, b"II*\0" + MARK, b"8BPS" + MARK,
    b"%!PS-Adobe-3.0 EPSF\n(/etc/passwd) run",
    b"%PDF-1.7" + MARK, b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><svg>&y;</svg>", MARK,
    b"push graphic-context\nfill 'url(https://127.0.0.1/)'", b"\x7fELF" + MARK, b"MZ" + MARK,
    b"#!/bin/sh\nid",
    b"\x89PNG\r\n\x1a\n" + MARK, b"\xff\xd8\xff" + MARK, b"RIFF\0\0\0\0WEBP" + MARK, b"\0\0\0\x18ftyp" + MARK,
    b"\0\0\0\x18ftypheic" + b"\0" * 99, b"\0\0\0\x18ftypavif" + b"\0" * 99,
    b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 99,
    b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + b"\0" * 99, archive(), b"\0" * (MAX_BYTES + 1),
]  # fmt: skip


@pytest.mark.parametrize("sent", [list(damaged()), DISGUISED], ids=["damaged", "disguised"])
async def test_what_gets_through_is_a_plain_picture(sent):
    """Whatever is sent: a typed refusal that names the field, or a small picture with nothing else in it."""
    reader, told = PictureReader(MAX_BYTES, MAX_PIXELS), []
    for one in sent:
        try:
            kept = await reader.read(one, "coat")
        except (NotAPicture, TooLarge, BadRequest) as error:
            told.append(str(error))
            continue
        with Image.open(io.BytesIO(kept.content)) as image:
            image.load()
            assert image.format in ("PNG", "JPEG")
            assert image.width * image.height <= MAX_PIXELS
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert MARK not in kept.content
        assert b"PK\x03\x04" not in kept.content
    assert told
    assert all("coat" in one for one in told)


async def test_hostile_uploads_are_no_failure_of_ours(shop):
    """Over HTTP each is a 4xx, or a file of a picture's type; forms with odd names and types too."""
    for number, one in enumerate(DISGUISED):
        name = ("../../etc/passwd", "x.svg", "a\0b.png", "x" * 300, "con")[number % 5]
        answer = await shop.post("/v1/files", files={"file": (name, one, "text/html")})
        assert answer.status_code in (201, 400, 413, 415), number
        if answer.status_code == 201:
            assert answer.json()["media_type"] in ("image/png", "image/jpeg")
