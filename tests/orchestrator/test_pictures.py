"""Callers' pictures: every kind that decodes, every kind that is refused, and the messages."""

import base64
import io
import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pillow_heif import register_heif_opener
from vitrine.errors import BadRequest
from vitrine_orchestrator.pictures import LONGEST, SAVING, Limits, checked, decode, encode, encode_with_alpha

register_heif_opener()  # so that Pillow writes HEIC here
RED_OVER_BLUE = np.zeros((80, 60, 3), np.uint8)
RED_OVER_BLUE[:40], RED_OVER_BLUE[40:] = (220, 30, 30), (30, 30, 220)


def encoded(image, kind, **options):
    """The image in a file's bytes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width, height):
    """A PNG whose header gives this size and which then breaks off."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1 << 20) + b"IDAT" + bytes(64)


def jpeg_header(width, height):
    """A small JPEG whose frame header gives this size."""
    small = bytearray(encoded(Image.fromarray(RED_OVER_BLUE), "JPEG"))
    frame = small.index(b"\xff\xc0")
    struct.pack_into(">HH", small, frame + 5, height, width)
    return bytes(small)


def webp_header(width, height, mode="RGB"):
    """A small lossy or, with transparency, extended WebP whose header gives this size."""
    exif = {"exif": Image.Exif().tobytes()} if mode == "RGBA" else {}
    small = bytearray(encoded(Image.fromarray(RED_OVER_BLUE).convert(mode), "WEBP", **exif))
    if small[12:16] == b"VP8X":
        small[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    else:
        struct.pack_into("<HH", small, 26, width, height)
    return bytes(small)


def lossless_webp_header(width, height):
    """A small lossless WebP whose header gives this size."""
    small = bytearray(encoded(Image.fromarray(RED_OVER_BLUE), "WEBP", lossless=True))
    struct.pack_into("<I", small, 21, (width - 1) | (height - 1) << 14)
    return bytes(small)


@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [("PNG", {}, 0), ("JPEG", {"quality": 95, "subsampling": 0}, 6), ("WEBP", {"lossless": True}, 0)],
)
def test_three_formats_are_taken(kind, options, most):
    """PNG and lossless WebP arrive exactly, JPEG nearly."""
    picture = decode(encoded(Image.fromarray(RED_OVER_BLUE), kind, **options), "person")
    assert picture.shape == RED_OVER_BLUE.shape
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - RED_OVER_BLUE).max() <= most


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    """Grey, palette, transparent and CMYK pictures decode with the right brightness."""
    halves = np.full((64, 48, 3), 255, np.uint8)
    halves[32:] = 0
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = decode(encoded(Image.fromarray(halves).convert(mode), kind), "person")
    assert picture.shape == halves.shape
    assert np.abs(picture.astype(int) - halves).max() <= 2


def test_transparency_becomes_white():
    """Transparent pixels become white, half transparent ones half white."""
    image = np.zeros((64, 64, 4), np.uint8)
    image[16:32, :, 3], image[32:, :, 3] = 128, 255
    picture = decode(encoded(Image.fromarray(image), "PNG"), "garment")
    assert (picture[:16] == 255).all()
    assert (picture[16:32] == 127).all()
    assert not picture[32:].any()


def test_a_transparent_palette_entry_becomes_white():
    """The transparency of a palette picture is read too."""
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert (decode(encoded(image, "PNG", transparency=1), "garment") == 255).all()


def test_sixteen_bits_become_eight():
    """16-bit grey is scaled, not clipped."""
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    picture = decode(encoded(Image.fromarray(ramp), "PNG"), "person")
    np.testing.assert_allclose(picture[..., 0], ramp / 257, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_upright(kind, orientation):
    """A picture stored in any of EXIF's eight orientations comes out red over blue."""
    stored = Image.fromarray(RED_OVER_BLUE)
    turns = Image.Transpose
    undone = {2: turns.FLIP_LEFT_RIGHT, 3: turns.ROTATE_180, 4: turns.FLIP_TOP_BOTTOM, 5: turns.TRANSPOSE}
    undone |= {6: turns.ROTATE_90, 7: turns.TRANSVERSE, 8: turns.ROTATE_270}
    if orientation in undone:
        stored = stored.transpose(undone[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(stored, kind, exif=exif), "person")
    assert picture.shape == RED_OVER_BLUE.shape
    assert picture[10, 30, 0] > 150 > picture[70, 30, 0]


def test_an_unknown_orientation_turns_nothing():
    """An orientation of 0, which some cameras write, changes nothing."""
    exif = Image.Exif()
    exif[0x0112] = 0
    assert decode(encoded(Image.fromarray(RED_OVER_BLUE), "PNG", exif=exif), "person")[10, 30, 0] == 220


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    """An animation is read as its first frame."""
    first, second = Image.new("RGB", (64, 64), (200, 0, 0)), Image.new("RGB", (64, 64), (0, 0, 200))
    moving = encoded(first, kind, save_all=True, append_images=[second], duration=100)
    picture = decode(moving, "person")
    assert picture[..., 0].min() > 180
    assert picture[..., 2].max() < 30


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"", "empty"),
        (b"no picture", "10 bytes of another kind"),
        (bytes(1000), "1000 bytes of another kind"),
        (b"RIFF\0\0\0\0WAVE", "12 bytes of another kind"),
        (b"GIF89a" + bytes(50), "a GIF"),
        (encoded(Image.fromarray(RED_OVER_BLUE), "TIFF"), "a TIFF"),
        (encoded(Image.fromarray(RED_OVER_BLUE), "BMP"), "a BMP"),
        (b"\xff\x0a" + bytes(50), "a JPEG XL"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (b"\n<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b'{"error": "not found"}', "JSON"),
        (b"%PDF-1.7", "a PDF"),
        (b"\0\0\0\x18ftypmp42" + bytes(50), "a video"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"data:image/png;base64,iVBORw0KGgo=", "a data URL.*input encoding"),
        (b"https://shop.example/coat.png", "a URL.*input encoding"),
        (base64.b64encode(encoded(Image.fromarray(RED_OVER_BLUE), "PNG")), "base64 text.*input encoding"),
    ],
)
def test_what_is_not_read_is_named(bad, said):
    """The message names the input, its kind and the kinds that are read."""
    with pytest.raises(BadRequest, match=f"person is {said}") as refusal:
        decode(bad, "person")
    assert "send PNG, JPEG, WebP, HEIC or AVIF" in str(refusal.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_breaks_off_is_refused(kind):
    """Half a file is refused as damaged."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 60, 3), np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    with pytest.raises(BadRequest, match="garment cannot be decoded"):
        decode(whole[: len(whole) // 2], "garment")


@pytest.mark.parametrize(
    "header",
    [png_header, jpeg_header, webp_header, lossless_webp_header, lambda w, h: webp_header(w, h, "RGBA")],
)
def test_too_many_pixels_are_refused_before_decoding(header):
    """Only the header is read: the message has limit and size, and no pixels are allocated."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadRequest, match="at most 40000000 pixels, got 16000x16000 = 256000000"):
        decode(header(16000, 16000), "person")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000  # KiB


def test_twenty_thousand_squared_is_refused_before_decoding():
    """A PNG of 400 megapixels in a few bytes costs nothing."""
    with pytest.raises(BadRequest, match="got 20000x20000 = 400000000"):
        decode(png_header(20000, 20000), "person")


@pytest.mark.parametrize("size", [(1, 1), (31, 400), (400, 31)])
def test_too_small_a_picture_is_refused(size):
    """The message has the limit and the size."""
    with pytest.raises(BadRequest, match=f"at least 32 pixels wide and high, got {size[0]}x{size[1]}"):
        decode(encoded(Image.new("RGB", size), "PNG"), "person")


def test_too_many_bytes_are_refused():
    """The limit on bytes is checked first, whatever the bytes are."""
    with pytest.raises(BadRequest, match="person must have at most 10 bytes, got 11"):
        decode(bytes(11), "person", Limits(max_bytes=10))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of damaged EXIF data and goes on
@settings(deadline=None, max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP", "AVIF", "HEIF"]))
def test_damaged_bytes_give_a_picture_or_a_refusal(data, kind):
    """Any changed bytes give a picture or BadRequest, never another error."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a coat"
    damaged = bytearray(encoded(Image.fromarray(RED_OVER_BLUE), kind, exif=exif))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(damaged), "person", Limits(max_pixels=1_000_000))
    except BadRequest:
        return
    assert picture.ndim == 3


def test_an_array_within_the_limits_is_taken_as_it_is():
    """A raw picture is not copied."""
    assert checked(RED_OVER_BLUE, "person_raw") is RED_OVER_BLUE


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros((64, 64), np.uint8), r"got uint8 of shape \(64, 64\)"),
        (np.zeros((64, 64, 4), np.uint8), r"got uint8 of shape \(64, 64, 4\)"),
        (np.zeros((64, 64, 3), np.float32), "got float32"),
        (np.zeros((8, 64, 3), np.uint8), "at least 32 pixels wide and high, got 64x8"),
        (np.broadcast_to(np.uint8(0), (9000, 9000, 3)), "at most 40000000 pixels"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(raw, message):
    """The message has the array's shape or dtype."""
    with pytest.raises(BadRequest, match=message):
        checked(raw, "person_raw")


@pytest.mark.parametrize("kind", SAVING)
def test_what_is_encoded_decodes(kind):
    """PNG decodes exactly, the other output formats closely."""
    back = decode(encode(RED_OVER_BLUE, kind), "image")
    assert np.abs(back.astype(int) - RED_OVER_BLUE).mean() < (0.1 if kind == "png" else 4)


def test_a_mask_is_encoded_in_grey():
    """An (H, W) array becomes a grey picture."""
    mask = np.full((64, 48), 255, np.uint8)
    assert Image.open(io.BytesIO(encode(mask))).mode == "L"


def test_an_unknown_format_is_a_bad_request():
    """The message lists the known formats."""
    with pytest.raises(BadRequest, match="format must be one of png, jpeg, webp, got 'gif'"):
        encode(RED_OVER_BLUE, "gif")


def test_transparent_pixels_of_a_webp_have_no_colour():
    """What is opaque is kept without loss too."""
    down, across = np.mgrid[:90, :120]
    alpha = np.where((down - 45) ** 2 + (across - 60) ** 2 < 900, 255, 0).astype(np.uint8)
    colours = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8) * (alpha[..., None] > 0)
    levels = np.asarray(Image.open(io.BytesIO(encode_with_alpha(colours, alpha, "webp"))))
    assert np.array_equal(levels, np.dstack([colours, alpha]))


@pytest.mark.parametrize(("kind", "longest"), LONGEST.items())
def test_a_side_that_a_format_cannot_hold_is_refused(kind, longest):
    """The longest that it holds is written."""
    assert encode(np.zeros((1, longest), np.uint8), kind)
    with pytest.raises(
        BadRequest, match=f"at most {longest} pixels wide and high for {kind}, got {longest + 1}x1"
    ):
        encode(np.zeros((1, longest + 1), np.uint8), kind)
