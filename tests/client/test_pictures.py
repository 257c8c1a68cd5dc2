"""Pillow images of every mode and arrays of every dtype arrive as the picture that they are."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from vitrine.errors import BadRequest, VitrineError
from vitrine.pictures import decode_picture, encode_picture

RAMP = np.linspace(0, 255, 64 * 64).reshape(64, 64).round().astype(np.uint8)
GREY = np.repeat(RAMP[..., None], 3, 2)


def arrived(picture):
    """The pixels that a viewer shows of the sent bytes, on white."""
    image = Image.open(io.BytesIO(encode_picture(picture, "person"))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    "mode", ["L", "P", "LA", "La", "PA", "RGBA", "RGBa", "RGBX", "RGB", "CMYK", "YCbCr", "HSV", "F"]
)
def test_every_mode_arrives(mode):
    """The pixels of every mode arrive within rounding."""
    image = Image.fromarray(RAMP)
    via = {"La": "LA", "PA": "P", "RGBa": "RGBA", "HSV": "RGB", "P": "L"}.get(mode)
    image = image.convert(via).convert(mode) if via else image.convert(mode)
    assert image.mode == mode
    assert np.abs(arrived(image) - GREY).max() <= 2


def test_lab_arrives():
    """A Lab image arrives, although Pillow itself refuses to convert it."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(GREY), srgb, lab, outputMode="LAB")
    assert np.abs(arrived(image) - GREY).max() <= 4


@pytest.mark.parametrize(
    "array",
    [
        RAMP,
        RAMP[..., None],
        RAMP.astype(np.uint16) * 257,
        GREY.astype(np.uint16) * 257,
        GREY / 255,
        (GREY / 255).astype(np.float16),
        GREY.astype(np.float32),
        np.dstack([RAMP, np.full_like(RAMP, 255)]),
        np.dstack([GREY, np.full_like(RAMP, 255)]),
        np.asfortranarray(GREY),
    ],
)
def test_arrays_of_every_kind_arrive(array):
    """Arrays of 8 and 16 bits and floats of 0 to 1 or 0 to 255 arrive, grey, coloured or with alpha."""
    assert np.abs(arrived(array) - GREY).max() <= 1


def test_a_bool_array_is_black_and_white():
    """True becomes white."""
    assert set(np.unique(arrived(RAMP > 100))) == {0, 255}


@pytest.mark.parametrize("values", [RAMP.astype(np.int32) * 300, RAMP.astype(np.int32) - 1])
def test_whole_numbers_beyond_sixteen_bits_are_refused(values):
    """Wider whole numbers are refused, since their scale is unknown."""
    with pytest.raises(BadRequest, match="person of mode I must have values of 0 to 65535"):
        encode_picture(Image.fromarray(values), "person")


def test_the_callers_image_is_left_as_it_is():
    """Sending does not change the caller's image."""
    image = Image.fromarray(GREY)
    image.info["icc_profile"] = b"kept"
    encode_picture(image, "person")
    assert image.info == {"icc_profile": b"kept"}


def test_an_images_cut_file_is_a_bad_request():
    """A PIL image of a cut file raises BadRequest when it is sent, since it is decoded only then."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "PNG")
    image = Image.open(io.BytesIO(file.getvalue()[:6000]))
    with pytest.raises(BadRequest, match="person cannot be decoded"):
        encode_picture(image, "person")


@pytest.mark.parametrize(
    "damage", [b"", b"<html>", b"\0" * 99, b"a chunk without a name", b"60000 pixels a side"]
)
def test_a_damaged_picture_of_a_store_is_no_foreign_error(damage):
    """Pillow raises SyntaxError, ValueError and its own classes for damaged files: all are VitrineError."""
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG")
    good = file.getvalue()
    files = {
        b"a chunk without a name": good.replace(b"IDAT", b"\1DAT"),
        b"60000 pixels a side": good[:16] + (60_000).to_bytes(4, "big") * 2 + good[24:],
    }
    with pytest.raises(VitrineError, match="image: the server's answer is not a picture"):
        decode_picture(files.get(damage, damage), "image")
