"""Files with odd metadata are read as viewers do; forms and kinds that are not read are named."""

import io
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine.photos.quiet import quiet
from vitrine_orchestrator.pictures import decode, transparent_layer

sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures_by_hand import chunk, png

COLOUR = (200, 60, 50)
FLAT = np.full((48, 64, 3), COLOUR, np.uint8)


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(FLAT).save(file, kind, **options)
    return file.getvalue()


JPEG = encoded("JPEG", quality=95, subsampling=0)


def segment(marker, body):
    """A segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def exif(*entries):
    """EXIF data of tags with a type, a count and a short value."""
    body = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0" + body + bytes(4)


ORIENTED, INCHES = (0x0112, 3, 1, b"\6\0"), (0x0128, 3, 1, b"\2\0")


@pytest.mark.parametrize(
    "odd",
    [
        segment(0xED, b"Photoshop 3.0\x008BIM\x07\xdb"),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"ICC_PROFILE\0\1"),
        segment(0xEE, b"Adobe\0"),
        segment(0xE0, b"JFIF\0"),
    ],
    ids=range(5),
)
def test_a_jpegs_odd_segment_is_skipped(odd):
    """The pixels are read, since the segment is not needed for them."""
    assert np.abs(decode(JPEG[:2] + odd + JPEG[2:], "person") - FLAT.astype(int)).max() <= 2


@pytest.mark.parametrize("odd", [(0x011A, 2, 1, b"\0"), (0x011A, 1, 1, b"\0")])
def test_odd_exif_keeps_its_orientation(odd):
    """A resolution that stops Pillow does not keep the picture lying."""
    body = segment(0xE1, exif(ORIENTED, odd, INCHES))
    assert decode(JPEG[:2] + body + JPEG[2:], "person").shape == (64, 48, 3)


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"tRNS"])
@pytest.mark.parametrize("length", [0, 1, 3, 4, 30])
def test_a_pngs_malformed_chunk_is_skipped(kind, length):
    """Only chunks that decide on pixels are read, and of these only well-formed ones."""
    np.testing.assert_array_equal(decode(png(FLAT, 8, 2, chunk(kind, bytes(length))), "person"), FLAT)


def test_a_transparency_of_the_wrong_length_is_none():
    """One byte for a grey colour, and more entries than the palette has, mean nothing."""
    grey = png(FLAT[..., 0], 8, 0, chunk(b"tRNS", b"\xc8"))
    palette = chunk(b"PLTE", bytes(COLOUR) * 2), chunk(b"tRNS", bytes(300))
    assert transparent_layer(grey, "product") is None
    np.testing.assert_array_equal(decode(grey, "product"), np.full((48, 64, 3), 200))
    np.testing.assert_array_equal(decode(png(np.zeros((48, 64), int), 8, 3, *palette), "product"), FLAT)


@pytest.mark.parametrize("name", ["bbox", "transparency", "interlace", "nclx_profile", "exif", "blend"])
@pytest.mark.parametrize("colour", [0, 2])
def test_a_pngs_text_with_a_name_of_pillows_changes_nothing(name, colour):
    """Texts other than those with an orientation are left out."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3) if colour else (48, 64))
    file = png(pixels, 8, colour, chunk(b"tEXt", name.encode() + b"\0" + b"10 20 30 40"))
    np.testing.assert_array_equal(decode(file, "person"), pixels if colour else np.dstack([pixels] * 3))


def test_exif_with_a_pointer_of_64_bits_is_ignored():
    """Its value is too large for Pillow, which then raises OverflowError."""
    body = segment(0xE1, exif((0x8769, 16, 1, b"\x1a"))[:-4] + b"\xff" * 12)
    assert decode(JPEG[:2] + body + JPEG[2:], "person").shape == FLAT.shape


def test_a_palette_picture_without_colours_is_refused():
    """It has no colours, and Pillow raises AssertionError."""
    with pytest.raises(BadRequest, match="person cannot be decoded: the 83 bytes of PNG are damaged"):
        decode(png(np.zeros((48, 64), int), 8, 3), "person")


@pytest.mark.parametrize(("primaries", "moved"), [(1, False), (12, True), (9, True)])
def test_an_avifs_colour_code_counts(primaries, moved):
    """Without a profile, the code for Display P3 or BT.2020 is converted."""
    file = bytearray(encoded("AVIF", quality=100, subsampling="4:4:4"))
    struct.pack_into(">HH", file, file.index(b"colrnclx") + 8, primaries, 13)
    assert (np.abs(decode(bytes(file), "person") - FLAT.astype(int)).max() > 9) == moved


@pytest.mark.parametrize(
    "file",
    [
        JPEG[:2] + segment(0xE1, exif((0x0112, 3, 2, b"\1\0\1\0"))) + JPEG[2:],
        JPEG[:2] + segment(0xE1, exif((0x010E, 2, 400, b"\xff\xff\0\0"))) + JPEG[2:],
        JPEG[:2] + segment(0xE1, exif((0x0112, 3, 1, b"\1\0"))[:-12]) + JPEG[2:],
        png(FLAT, 8, 2, chunk(b"acTL", bytes(8))),
    ],
    ids=range(4),
)
def test_warnings_as_errors_do_not_come_out(file):
    """Where the process treats warnings as errors, odd metadata are still no error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(file, "person").shape == FLAT.shape


def of_an_app():
    """A PNG in Apple's own form: its pixels are not in zlib's."""
    pixels = zlib.compress(bytes(48 * (1 + 64 * 4)))[2:-4]
    head = chunk(b"IHDR", struct.pack(">IIBB3x", 64, 48, 8, 6))
    parts = chunk(b"CgBI", bytes(4)), head, chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return encoded("PNG")[:8] + b"".join(parts)


FRAME = JPEG.index(b"\xff\xc0")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (JPEG[: FRAME + 4] + b"\x0c" + JPEG[FRAME + 5 :], "a JPEG of 12 bits"),
        (JPEG[:FRAME] + b"\xff\xc3" + JPEG[FRAME + 2 :], "a lossless JPEG"),
        (JPEG[:FRAME] + b"\xff\xf7" + JPEG[FRAME + 2 :], "a JPEG-LS"),
        (of_an_app(), "a PNG of an iOS app"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw file"),
        (b"\0\0\0\x14ftypM4A \0\0\0\0M4A ", "a sound file"),
        (b"\0\0\1\0moov" + bytes(50), "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"Rar!\x1a\7\0", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"gimp xcf v011", "a GIMP file"),
        (b"P6\n64 64\n255\n", "a PPM"),
        (b"<?xml version='1.0'?><!--" + b"x" * 600 + b"--><svg/>", "an SVG"),
        (b'<!DOCTYPE svg [<!ENTITY ns "x">]><svg>', "an SVG"),
        (b"<div>502 Bad Gateway</div>", "an HTML page"),
        (JPEG.hex().encode(), "hexadecimal text"),
        (b'"' + b"iVBORw0KGgoAAAANSUhEUgAA" + b'"', "base64 text.*input encoding"),
        (b"data:image/svg+xml;utf8,<svg/>", "a data URL of other text"),
        (b"404: Not Found\n", "15 bytes of another kind; send .*; it begins with '404: Not Found'$"),
        (bytes(500), "500 bytes of another kind; send .*; all of them are zero$"),
        (b"word " * 100, "500 bytes of another kind; send .*; it begins with 'word .{20,40}'$"),
        (JPEG.decode(errors="replace").encode(), "a picture that was read as text"),
        (encoded("PNG").replace(b"\r\n", b"\n"), "a PNG whose line ends were changed"),
    ],
    ids=range(23),
)
def test_what_is_not_read_is_named(file, said):
    """The message names the input and the file's form or kind."""
    with pytest.raises(BadRequest, match=f"person is {said}"):
        decode(file, "person")


@pytest.mark.parametrize(
    "file",
    [
        b"<!-- -->" * 200,
        b"<?xml version='1.0'?>" + b"<!DOCTYPE svg [ ] >" * 80,
        b"\xff\xd8\xff\xe1\0\2" + b"\xff\xd0" * 1_000_000,
        b"\xff\xd8" + b"\xff\xe0\0\2" * 500_000,
        b"\xff\xd8" + b"\xff" * 1_000_000,
    ],
    ids=["comments", "types", "restarts", "segments", "fill"],
)
@pytest.mark.timeout(20)
def test_hostile_files_are_refused_soon(file):
    """Neither patterns nor segments are tried again and again."""
    with pytest.raises(BadRequest, match="person"):
        decode(file, "person")


def test_two_threads_share_the_filters_of_warnings():
    """Whichever leaves first, warnings are ignored until the last has left, and are then as before."""
    before = list(warnings.filters)
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert warnings.filters != before
    second.__exit__(None, None, None)
    assert warnings.filters == before
