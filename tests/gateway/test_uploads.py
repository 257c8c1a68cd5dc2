"""What is taken as a picture, and what becomes of it."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from noise_pictures import picture
from PIL import Image
from vitrine import pictures
from vitrine.errors import BadRequest
from vitrine_gateway.errors import NotAPicture, TooLarge
from vitrine_gateway.pictures.reading import PictureReader, from_base64


@pytest.fixture
def reader():
    """A reader with small limits."""
    return PictureReader(max_bytes=100_000, max_pixels=100_000)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", NotAPicture),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NotAPicture),
        (b"%PDF-1.7", NotAPicture),
        (picture(kind="GIF"), NotAPicture),
        (picture(kind="TIFF"), NotAPicture),
        (picture(kind="BMP"), NotAPicture),
        (picture()[:200], NotAPicture),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, NotAPicture),
        (b"\xff\xd8\xff" + b"\0" * 100, NotAPicture),
        (b"\0" * 100_001, TooLarge),
        (picture(size=(400, 300), kind="JPEG", quality=5), TooLarge),
        (picture(size=(8, 200)), BadRequest),
    ],
    ids=range(12),
)
async def test_what_is_no_picture_is_refused_by_name(reader, sent, error):
    """The error names the field and the reason."""
    with pytest.raises(error, match="coat"):
        await reader.read(sent, "coat")


async def test_metadata_and_orientation_are_applied_and_dropped(reader):
    """A JPEG with an orientation, a place and a comment is upright afterwards, and has none of them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "the secret place"
    sent = picture(size=(60, 40), kind="JPEG", exif=exif, comment=b"the secret comment")
    assert b"secret" in sent
    kept = await reader.read(sent, "me")
    assert (kept.width, kept.height) == (40, 60)
    assert b"secret" not in kept.content
    with Image.open(io.BytesIO(kept.content)) as image:
        assert image.size == (40, 60)
        assert not image.getexif()
        assert kept.media_type == "image/jpeg"


async def test_a_png_keeps_its_pixels(reader):
    """Lossless pictures are kept exactly."""
    sent = picture(seed=5)
    kept = await reader.read(sent, "me")
    with Image.open(io.BytesIO(sent)) as before, Image.open(io.BytesIO(kept.content)) as after:
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "WEBP", "JPEG"])
async def test_a_phones_formats_are_read(reader, kind):
    """Lossy formats become JPEG of the same size."""
    kept = await reader.read(picture(kind=kind), "me")
    assert (kept.media_type, kept.width, kept.height) == ("image/jpeg", 48, 64)


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/", "https://example.org/me.png", "file:///etc/passwd"]
)
def test_addresses_are_not_fetched(address):
    """A picture by address is refused."""
    with pytest.raises(BadRequest):
        from_base64(address, "person")


def with_chunk(kind, body):
    """A PNG of noise with one more chunk."""
    whole = picture()
    more = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return whole[:33] + more + whole[33:]


LONG = zlib.compress(b"<rdf:li>step</rdf:li>" * 80_000)


@pytest.mark.parametrize(
    "sent",
    [
        with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
        with_chunk(b"iCCP", b"profile\0\0" + LONG),
        with_chunk(b"tEXt", b"a\0b").replace(b"tEXta\0b", b"tEXta\0c"),
        with_chunk(b"gAMA", b""),
        picture(size=(400, 200), kind="JPEG")[:-2],
    ],
    ids=["long notes", "long profile", "wrong checksum", "odd chunk", "no end"],
)
async def test_what_the_server_takes_the_gateway_takes(reader, sent):
    """Long or damaged metadata and a missing end cost no picture in front of the server either."""
    kept = await reader.read(sent, "me")
    right = picture() if kept.media_type == "image/png" else picture(size=(400, 200), kind="JPEG")
    with Image.open(io.BytesIO(right)) as before, Image.open(io.BytesIO(kept.content)) as after:
        assert np.abs(np.asarray(before).astype(int) - np.asarray(after))[:160].max() <= 24


async def test_a_colour_code_counts_and_a_damaged_orientation_does_not(reader):
    """Display P3 by PNG's cICP is converted; a picture turned by EXIF is upright, whatever else EXIF has."""
    kept = await reader.read(with_chunk(b"cICP", bytes([12, 13, 0, 1])), "me")
    assert np.abs(decoded(kept.content) - decoded(picture())).max() > 15
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2)
    exif += struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x011A, 2, 3, b"72\0\0") + bytes(4)
    kept = await reader.read(picture(size=(60, 40), kind="JPEG", exif=exif), "me")
    assert (kept.width, kept.height) == (40, 60)


def decoded(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).astype(int)


async def test_the_media_type_is_that_of_what_is_kept(reader, monkeypatch):
    """A lossless picture too large for the server is kept as JPEG, and says so."""
    monkeypatch.setattr(pictures, "MAX_PNG_BYTES", 100)
    kept = await reader.read(picture(), "me")
    assert kept.media_type == "image/jpeg"
    assert kept.content.startswith(b"\xff\xd8")


async def test_a_refusal_names_the_kind(reader):
    """A file of another kind is named as by the server, without the options that only the server has."""
    with pytest.raises(NotAPicture, match=r"^me is a video") as refusal:
        await reader.read(b"\0\0\0\x18ftypmp42" + bytes(50), "me")
    with pytest.raises(NotAPicture, match=r"^me is base64 text; send PNG, JPEG, WebP, HEIC or AVIF$"):
        await reader.read(base64.b64encode(picture()), "me")
    assert "input encoding" not in str(refusal.value)


@pytest.mark.parametrize("form", ["\ufeff{}", "{}\n", "data:image/png;charset=utf-8;base64,{}", '"{}"'])
def test_base64_is_read_in_the_servers_dialects(form):
    """A byte order mark, line breaks, parameters and quotes are read."""
    assert from_base64(form.format(base64.b64encode(picture()).decode()), "me") == picture()


@pytest.mark.parametrize("text", ["ü" * 40, "\ud800", "me.png?"])
def test_other_text_is_a_bad_request(text):
    """Text that is not ASCII, or not even Unicode, is the caller's error."""
    with pytest.raises(BadRequest, match="me must be base64 text or a data URL of it"):
        from_base64(text, "me")


async def test_a_body_above_the_limit_is_refused(start):
    """The limit holds for bodies that say their length and for those that do not."""
    async with start(max_body_bytes=10_000) as gateway:
        shop = await gateway.account()

        async def stream():
            for _ in range(20):
                yield b"x" * 1000

        for content in (b"x" * 20_000, stream()):
            answer = await shop.post("/v1/jobs", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_nothing_is_kept_of_a_refused_request(gateway, shop, form):
    """When the second picture is bad, the first one is removed again."""
    files = [("person", form["person"]), ("garment", ("g", b"no picture"))]
    answer = await shop.post("/v1/jobs", files=files)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_a_picture")
    assert await gateway.parts.pictures.paths("") == []
