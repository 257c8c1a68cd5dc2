"""PIL images, arrays and texts that are odd: each arrives as its file would, or is a BadRequest."""

import io
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine import pictures
from vitrine.errors import BadRequest
from vitrine.photos.reading import read
from vitrine.pictures import encode_picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures_by_hand import chunk, png

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
RED = Image.new("RGB", (60, 40), (200, 60, 50))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(file):
    return Image.open(io.BytesIO(file))


def sent(picture):
    """The image as it arrives."""
    return opened(encode_picture(picture, "person"))


def exif(*entries):
    """EXIF data of tags with a type, a count and a value; values of more than 4 bytes go to the end."""
    body, tail = b"II*\0" + struct.pack("<IH", 8, len(entries)), b""
    for tag, kind, count, value in entries:
        at = 8 + 2 + 12 * len(entries) + 4 + len(tail)
        tail += value if len(value) > 4 else b""
        body += struct.pack("<HHI", tag, kind, count)
        body += struct.pack("<I", at) if len(value) > 4 else value.ljust(4, b"\0")
    return b"Exif\0\0" + body + bytes(4) + tail


ORIENTED = (0x0112, 3, 1, b"\6\0")


@pytest.mark.parametrize(
    "other",
    [
        (0x011A, 10, 1, struct.pack("<ii", -1, 3)),
        (0x011A, 2, 3, b"72\0"),
        (0x9999, 16, 1, bytes(4)),
        (0x0131, 12, 1, struct.pack("<d", 1.5)),
    ],
)
def test_only_the_orientation_of_exif_counts(other):
    """Another value of the EXIF data that Pillow cannot write again does not keep the picture lying."""
    assert sent(opened(encoded(RED, "JPEG", exif=exif(ORIENTED, other)))).size == (40, 60)


def test_unreadable_exif_is_ignored():
    """A pointer beyond all numbers is no reason to refuse a picture."""
    file = encoded(RED, "JPEG", exif=exif((0x8769, 16, 1, b"\xff" * 8)))
    assert sent(opened(file)).size == RED.size


@pytest.mark.parametrize(
    ("mode", "kind", "off"), [("RGB", "JPEG", 12), ("L", "JPEG", 12), ("RGBA", "WEBP", 0)]
)
def test_a_png_too_large_for_the_server_becomes_smaller(monkeypatch, mode, kind, off):
    """It is a JPEG of high quality, or lossless where it is transparent."""
    monkeypatch.setattr(pictures, "MAX_PNG_BYTES", 100)
    image = Image.fromarray(NOISE).resize((600, 400)).convert(mode)
    if mode == "RGBA":
        image.putalpha(image.getchannel("R"))
    arrived = sent(image)
    assert (arrived.format, arrived.mode) == (kind, mode)
    assert np.abs(np.asarray(arrived).astype(int) - np.asarray(image)).max() <= off


def test_a_side_too_long_for_the_smaller_format_stays_png(monkeypatch):
    """WebP has at most 16383 pixels a side."""
    monkeypatch.setattr(pictures, "MAX_PNG_BYTES", 100)
    assert sent(Image.new("RGBA", (16_384, 1))).format == "PNG"


@pytest.mark.parametrize("by_name", [False, True])
def test_a_jpeg_object_without_its_end_is_sent(tmp_path, by_name):
    """A JPEG that lacks two bytes is completed as a file is, one that lacks half is refused."""
    whole = encoded(RED.resize((600, 400)), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole[:-2])
    with Image.open(tmp_path / "cut.jpg") if by_name else opened(whole[:-2]) as image:
        assert sent(image).size == (600, 400)
    with pytest.raises(BadRequest, match=r"person cannot be decoded: \d+ of 400 rows are missing"):
        sent(opened(whole[: len(whole) // 2]))


def closed(tmp_path):
    RED.save(tmp_path / "red.png")
    with Image.open(tmp_path / "red.png") as image:
        pass
    return image


def test_an_image_of_a_closed_file_is_a_bad_request(tmp_path):
    """The message says that the file is closed."""
    with pytest.raises(BadRequest, match="person cannot be decoded: its file is closed"):
        encode_picture(closed(tmp_path), "person")


@pytest.mark.parametrize("image", [RED.crop((50, 0, 50, 40)), Image.new("F", (0, 4))])
def test_an_image_without_pixels_is_a_bad_request(image):
    """The message has the size."""
    with pytest.raises(BadRequest, match=r"person must have pixels, got 0x4"):
        encode_picture(image, "person")


@pytest.mark.parametrize(
    "made", [lambda i: i.split()[0], lambda i: i.quantize(16), lambda i: i.convert("I")], ids=range(3)
)
def test_a_transparent_colour_of_another_mode_is_ignored(made):
    """Pillow keeps the transparent colour of the image from which another one was made."""
    image = made(opened(encoded(RED, "PNG", transparency=(1, 2, 3))))
    assert "transparency" in image.info
    assert sent(image).mode in ("L", "RGB")


def test_a_transparent_colour_that_no_palette_has_is_ignored():
    """A 16-bit grey picture's transparent colour stays when it becomes one of a palette."""
    image = RED.quantize(4)
    image.info["transparency"] = 65_535
    assert sent(image).mode == "RGB"


def test_a_palettes_transparency_of_too_many_entries_is_ignored():
    """300 entries for a palette of 4 colours are no transparency."""
    extra = chunk(b"PLTE", bytes(12)), chunk(b"tRNS", bytes([0] * 300))
    assert sent(opened(png(np.zeros((40, 40), int), 8, 3, *extra))).mode == "RGB"


@pytest.mark.parametrize("over", [1.2e-7, 9e-4])
def test_floats_that_leave_their_range_by_rounding_are_clipped(over):
    """A value just above 1 does not make the others dark, one just below 0 is 0, one above 255 is 255."""
    floats = np.full((40, 40), 0.8, np.float32)
    floats[0, :2] = 1 + over, -over
    for picture in (floats, Image.fromarray(floats)):
        assert np.asarray(sent(picture))[0, :3].tolist() == [255, 0, 204]
    floats[0, 2] = 255 + over
    assert np.asarray(sent(floats))[0, 2] == 255


def test_sixteen_bits_of_either_byte_order_arrive():
    """numpy's arrays of Pillow's I;16B have the other order."""
    for order in "<>":
        assert (np.asarray(sent(np.full((40, 40), 0x8080, f"{order}u2"))) == 0x80).all()


def test_a_sixteen_bit_transparent_colour_is_compared_by_its_upper_byte():
    """Pillow keeps 8 bits of such a picture's pixels and 16 of its transparent colour."""
    green = np.tile(np.array([0, 65535, 0], np.uint16), (40, 40, 1))
    image = opened(png(green, 16, 2, chunk(b"tRNS", struct.pack(">3H", 0, 65535, 0))))
    assert sent(image).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize(("key", "clear"), [(0x80FF, True), (0x7F80, False)])
def test_without_opencv_a_files_transparent_colour_is_compared_so_too(monkeypatch, key, clear):
    """The reader works where only the client is installed."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    file = png(np.full((40, 40, 3), 0x8080), 16, 2, chunk(b"tRNS", struct.pack(">3H", key, key, key)))
    assert (read(file, "person").mode == "RGBA") == clear


@pytest.mark.parametrize("name", ["bbox", "transparency", "interlace", "nclx_profile", "icc_profile", "exif"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_pngs_text_with_a_name_of_pillows_changes_nothing(name, mode):
    """Pillow puts texts where it keeps its own facts."""
    image = Image.fromarray(NOISE).convert(mode)
    file = encoded(image, "PNG")
    file = file[:33] + chunk(b"tEXt", name.encode() + b"\0" + b"10 20 30 40") + file[33:]
    np.testing.assert_array_equal(
        np.asarray(sent(opened(file)).convert("RGB")), np.asarray(image.convert("RGB"))
    )


def test_an_avif_objects_colour_code_counts():
    """Display P3, written as a code only, is converted."""
    file = bytearray(encoded(RED, "AVIF", quality=100, subsampling="4:4:4"))
    struct.pack_into(">HH", file, file.index(b"colrnclx") + 8, 12, 13)
    red, green, _ = sent(opened(bytes(file))).getpixel((9, 9))
    assert red > 210
    assert green < 50


@pytest.mark.parametrize("entry", [(0x0112, 3, 2, b"\1\0\1\0"), (0x010E, 2, 400, b"\xff\xff\0\0")])
def test_warnings_as_errors_do_not_come_out(entry):
    """Pillow warns of odd EXIF data; the picture is sent, and the caller's filters stay."""
    file = encoded(RED, "JPEG")
    body = exif(entry)
    file = file[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + file[2:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = opened(file)
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sent(image).size == RED.size
    assert warnings.filters == filters


DATA_URL = "data:image/png;base64,iVBORw0KGgo="


def test_a_data_url_is_decoded():
    """A text that begins with data: is no path."""
    assert encode_picture(DATA_URL, "person") == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "https://shop.example/coat.png",
            "person must be a path, got the address 'https://shop.example/coat.png'",
        ),
        ("file:///tmp/coat.png", "person must be a path, got the address"),
        ("A" * 100_000, "got 100000 characters: 'A+…'; base64 text goes as bytes"),
        ("", "person must be the path of a file, got 0 characters"),
        ("data:image/svg+xml;utf8,<svg/>", "person must be base64 text or a data URL of it"),
    ],
)
def test_a_text_that_is_no_path_is_refused_with_advice(text, said):
    """The message is short, and says what to send instead."""
    with pytest.raises(BadRequest, match=said) as refusal:
        encode_picture(text, "person")
    assert len(str(refusal.value)) < 250
