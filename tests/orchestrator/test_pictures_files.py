"""Features of real files: colour profiles, depths, transparent colours, long metadata, missing ends, HEIC."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import from_pillow
from vitrine.errors import BadRequest
from vitrine.pictures import encode_picture
from vitrine.profiles import ADOBE_RGB, PRIMARIES, written
from vitrine_orchestrator.pictures import Limits, decode, transparent_layer

sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures_by_hand import PRO_PHOTO, chunk, png

COLOURS = np.repeat(
    np.array([[(200, 60, 50), (60, 90, 150), (40, 160, 70), (224, 172, 140)]], np.uint8), 16, 1
)
COLOURS = np.repeat(COLOURS, 64, 0)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
PHOTO = Image.fromarray(NOISE).resize((600, 800))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(image, **options):
    file = io.BytesIO()
    made = from_pillow(image)
    made.save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


def by_lcms(image, icc):
    """The pixels that the colour management library makes of the image."""
    source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")).astype(int)


LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("space", [PRIMARIES[12], ADOBE_RGB, PRO_PHOTO], ids=["P3", "Adobe", "ProPhoto"])
def test_a_profile_is_converted_to_srgb(kind, space):
    """Colours are those of a viewer in every format, by file and by PIL image."""
    icc = written(space)
    file = encoded(Image.fromarray(COLOURS), kind, icc_profile=icc, **LOSSLESS[kind])
    right = by_lcms(Image.open(io.BytesIO(file)), icc)
    assert np.abs(right - COLOURS).max() > 15
    assert np.abs(decode(file, "person") - right).max() <= 2
    sent = encode_picture(Image.open(io.BytesIO(file)), "person")
    assert np.abs(decode(sent, "person") - right).max() <= 2


@pytest.mark.parametrize("icc", [b"no profile", b"", written(ADOBE_RGB)[:200], bytes(5000)])
def test_a_broken_profile_is_ignored(icc):
    """The numbers are then read as sRGB."""
    file = encoded(Image.fromarray(COLOURS), "PNG", icc_profile=icc)
    np.testing.assert_array_equal(decode(file, "person"), COLOURS)
    grey_profile = bytearray(written(ADOBE_RGB))
    grey_profile[16:20] = b"GRAY"
    file = encoded(Image.fromarray(COLOURS), "PNG", icc_profile=bytes(grey_profile))
    np.testing.assert_array_equal(decode(file, "person"), COLOURS)


def test_an_srgb_profile_changes_no_pixel():
    """An sRGB profile, which most files carry, changes no pixel."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ramp = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(ramp), "PNG", icc_profile=icc), "x"), ramp)


def test_a_grey_picture_with_the_profile_of_colours_is_converted():
    """A grey picture may keep the colour profile of the photograph that it was."""
    grey = Image.fromarray(np.full((64, 64), 100, np.uint8))
    icc = written(PRO_PHOTO)
    got = decode(encoded(grey, "PNG", icc_profile=icc), "person")
    assert np.abs(got - by_lcms(grey.convert("RGB"), icc)).max() <= 2


@pytest.mark.parametrize(("primaries", "moved"), [(12, True), (1, False), (99, False)])
def test_a_pngs_colour_code_counts(primaries, moved):
    """The code of cICP for Display P3 is converted; sRGB and unknown codes change nothing."""
    file = png(COLOURS, 8, 2, chunk(b"cICP", bytes([primaries, 13, 0, 1])))
    right = by_lcms(Image.fromarray(COLOURS), written(PRIMARIES[12])) if moved else COLOURS
    assert np.abs(decode(file, "person") - right.astype(int)).max() <= 2


def test_exif_alone_can_say_adobe_rgb():
    """EXIF's index R03 without a profile, as cameras write it, means Adobe RGB."""
    entries = struct.pack("<HHHI4s", 1, 0x8769, 4, 1, b"\x1a\0\0\0") + bytes(4)
    details = struct.pack("<HHHIIHHIII", 2, 0xA001, 3, 1, 0xFFFF, 0xA005, 4, 1, 56, 0)
    index = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entries + details + index
    file = encoded(Image.fromarray(COLOURS), "PNG", exif=exif)
    right = by_lcms(Image.fromarray(COLOURS), written(ADOBE_RGB))
    assert np.abs(decode(file, "person") - right).max() <= 2


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_pngs_transparent_colour_is_white(depth):
    """The colour is compared in the file's own depth, by file and by PIL image."""
    top = (1 << depth) - 1
    pixels = np.zeros((64, 64), np.int64)
    pixels[32:] = top
    for key, white in ((0, slice(0, 64)), (top, slice(32, 64))):
        file = png(pixels, depth, 0, chunk(b"tRNS", key.to_bytes(2, "big")))
        got = decode(file, "garment")
        assert (got[white] == 255).all()
        assert (got == 255).mean() in (0.5, 1)
        for loaded in (False, True):
            image = Image.open(io.BytesIO(file))
            if loaded:
                image.load()
            np.testing.assert_array_equal(decode(encode_picture(image, "garment"), "garment"), got)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_colour_pngs_transparent_colour_is_white(depth):
    """At 16 bits only that exact colour is transparent."""
    pixels = np.full((64, 64, 3), 100)
    pixels[32:] = 101
    key = np.full(3, 100, ">u2").tobytes()
    got = decode(png(pixels, depth, 2, chunk(b"tRNS", key)), "garment")
    assert (got[:32] == 255).all()
    assert (got[32:] == (101 if depth == 8 else 0)).all()


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_scaled_in_every_colour_type(colour, channels):
    """Grey and colour are scaled, with transparency and without."""
    pixels = np.full((64, 64, channels), 30000)
    if channels % 2 == 0:
        pixels[..., -1] = 65535
    assert np.abs(decode(png(pixels, 16, colour), "person") - 30000 / 257).max() <= 1


NOTE = b"<x:xmpmeta>" + b"<rdf:li>step</rdf:li>" * 80_000


@pytest.mark.parametrize(
    "note",
    [
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(NOTE)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + NOTE),
        chunk(b"tEXt", b"notes\0" + NOTE),
        chunk(b"zTXt", b"notes\0\0" + zlib.compress(NOTE)),
        chunk(b"zTXt", b"notes\0\0no zlib"),
        chunk(b"zTXt", b"notes\0\0" + zlib.compress(bytes(100_000_000))),
        chunk(b"zTXt", b"notes\0\0" + zlib.compress(bytes(400_000))) * 200,
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(NOTE)),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(20_000_000))),
        chunk(b"tEXt", b"checksum\0wrong")[:-1] + b"x",
    ],
)
def test_long_or_damaged_notes_cost_no_picture(note):
    """Metadata that is too long or damaged is skipped, and the pixels are read."""
    np.testing.assert_array_equal(decode(png(COLOURS, 8, 2, note), "garment"), COLOURS)


def test_a_profile_longer_than_a_megabyte_counts():
    """A profile of more than a megabyte, as printers have, is read."""
    icc = bytearray(written(PRIMARIES[12]).ljust(1_500_000, b"\0"))
    icc[:4] = len(icc).to_bytes(4, "big")
    file = png(COLOURS, 8, 2, chunk(b"iCCP", b"long\0\0" + zlib.compress(bytes(icc))))
    assert np.abs(decode(file, "person") - by_lcms(Image.fromarray(COLOURS), bytes(icc))).max() <= 2


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", [2, 40, 500])
def test_a_jpeg_that_lacks_its_end_is_read(progressive, cut):
    """A JPEG that lacks a few rows at the bottom is read."""
    whole = encoded(PHOTO, "JPEG", quality=95, progressive=progressive)
    got = decode(whole[:-cut], "person").astype(int)
    assert np.abs(got - decode(whole, "person"))[: 800 - 80].max() <= (8 if progressive else 0)
    assert decode(whole + bytes(5000), "person").shape == (800, 600, 3)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6])
def test_a_jpeg_that_lacks_much_is_refused(progressive, share):
    """A JPEG that lacks many rows is refused."""
    whole = encoded(PHOTO, "JPEG", quality=95, progressive=progressive)
    with pytest.raises(BadRequest, match="bytes of JPEG are damaged or cut off"):
        decode(whole[: int(len(whole) * share)], "person")


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_heic_is_read_upright(orientation):
    """A HEIC file is turned as its EXIF data say."""
    image = Image.new("RGB", (96, 64), (200, 60, 50))
    image.paste((20, 40, 200), (0, 0, 48, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decode(heic(image, exif=exif.tobytes()), "person")
    assert got.shape == ((64, 96, 3) if orientation == 1 else (96, 64, 3))
    row, column = {1: (32, 10), 6: (10, 32), 8: (80, 32)}[orientation]
    assert np.abs(got[row, column].astype(int) - (20, 40, 200)).max() < 12


@pytest.mark.parametrize(
    "write", [heic, lambda i, **o: encoded(i, "AVIF", quality=100, subsampling="4:4:4", **o)]
)
def test_heic_and_avif_keep_their_profile_and_limits(write):
    """Their Display P3 profile is converted, and pixels are counted before decoding."""
    icc = written(PRIMARIES[12])
    image = Image.fromarray(COLOURS)
    image.info["icc_profile"] = icc
    file = write(image, icc_profile=icc) if write is not heic else write(image)
    assert np.abs(decode(file, "person") - by_lcms(Image.fromarray(COLOURS), icc)).max() <= 8
    with pytest.raises(BadRequest, match="at most 4000 pixels, got 64x64"):
        decode(file, "person", Limits(max_pixels=4000))
    with pytest.raises(BadRequest, match="damaged or cut off"):
        decode(file[: len(file) // 2], "person")


@pytest.mark.parametrize(
    ("mode", "kind", "opacity", "transparent"),
    [
        ("RGB", "JPEG", 255, False),
        ("RGB", "PNG", 255, False),
        ("RGBA", "PNG", 255, False),
        ("RGBA", "PNG", 254, True),
        ("LA", "PNG", 0, True),
        ("RGBA", "WEBP", 0, True),
        ("RGB", "WEBP", 255, False),
        ("RGBA", "AVIF", 0, True),
    ],
)
def test_what_is_transparent_is_told(mode, kind, opacity, transparent):
    """One pixel that is not opaque is enough; an opaque alpha is none."""
    picture = Image.new("RGBA", (48, 40), (10, 200, 30, 255))
    picture.putpixel((3, 3), (10, 200, 30, opacity))
    file = io.BytesIO()
    picture.convert(mode).save(file, kind)
    assert (transparent_layer(file.getvalue(), "product") is not None) is transparent


def test_indexed_colours_can_be_transparent():
    """Their alpha is in the file's palette."""
    picture = Image.new("P", (48, 40))
    picture.putpalette([200, 30, 40, 10, 20, 30])
    picture.putpixel((3, 3), 1)
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=1)
    assert transparent_layer(file.getvalue(), "product") is not None


def test_an_opaque_picture_is_not_decoded_to_tell():
    """Damage in its pixels is not seen, damage in its header is, and limits are checked."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)).save(file, "JPEG")
    assert transparent_layer(file.getvalue()[:-3000], "product") is None
    with pytest.raises(BadRequest, match="product cannot be decoded: the 100 bytes of JPEG are damaged"):
        transparent_layer(file.getvalue()[:100], "product")
    with pytest.raises(BadRequest, match="product must be at least 200 pixels wide"):
        transparent_layer(file.getvalue(), "product", Limits(min_side=200))
    with pytest.raises(BadRequest, match="product must have at most 50 bytes"):
        transparent_layer(file.getvalue(), "product", Limits(max_bytes=50))
