"""What is taken as a picture, and what becomes of it."""

import io

import pytest
from noise_pictures import picture
from PIL import Image
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
