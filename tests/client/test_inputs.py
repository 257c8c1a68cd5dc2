"""A caller's arguments become named tensors, or a BadRequest that names field, rule and value."""

import io

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine.inputs import (
    prepare_garment_inputs,
    prepare_person_inputs,
    prepare_text_inputs,
    try_on_inputs,
)
from vitrine.many import options_for_each
from vitrine.pictures import encode_picture

COLOURS = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


def png(array=COLOURS):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def decoded(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "pil", "array"])
def test_every_kind_of_picture_arrives_with_its_pixels(kind, tmp_path):
    """A path, a path's text, bytes, a PIL image and an array all become an encoded picture."""
    path = tmp_path / "person.png"
    path.write_bytes(png())
    picture = {
        "path": path,
        "text": str(path),
        "bytes": png(),
        "pil": Image.fromarray(COLOURS),
        "array": COLOURS,
    }[kind]
    assert np.array_equal(decoded(encode_picture(picture, "person")), COLOURS)


def test_a_pil_image_is_turned_upright():
    """EXIF orientation 6 means that the camera was held sideways; the server must see what viewers show."""
    image = Image.fromarray(COLOURS)
    image.getexif()[0x0112] = 6
    assert np.array_equal(decoded(encode_picture(image, "person")), np.rot90(COLOURS, -1))


def test_bytes_travel_untouched():
    """The server's cache keys are digests of the bytes that the caller has."""
    assert encode_picture(png(), "person") == png()


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (b"", "person must be a picture, got 0 bytes"),
        (7, "person must be a path, bytes, a PIL image or an array, got int"),
        (COLOURS.astype(np.int32), "person must be HWC uint8 RGB, or uint16, bool or float, got int32"),
        (COLOURS[:, 0, 0], r"of shape \(5,\)"),
        (np.zeros((3, 5, 9), np.uint8), "move the channels last"),
        (COLOURS[None], r"send array\[0\]"),
        (COLOURS.astype(np.float32) - 1, "person must have floats of 0 to 1 or of 0 to 255, got -1 to 58"),
        (np.full((5, 4, 3), np.nan), "got nan to nan"),
        ("no/such/file.png", "cannot read no/such/file.png: No such file"),
        ("nul\0", "cannot read"),
    ],
)
def test_a_value_that_is_no_picture_is_refused(picture, says):
    """The message names the input and what was found."""
    with pytest.raises(BadRequest, match=says):
        encode_picture(picture, "person")


def test_options_become_tensors_of_the_models_types():
    """Names, dtypes and shapes are those of the model try_on."""
    inputs = try_on_inputs(
        person=COLOURS,
        garment=COLOURS,
        category="dresses",
        description="red dress",
        steps=20,
        seed=2**64 - 1,
        guidance=2,
        paste_back=False,
        crop="fit",
        format="webp",
        scheduler="ddim",
        mask=COLOURS,
        person_point=(3, 4),
    )
    assert {name: (tensor.dtype.name, tensor.shape) for name, tensor in inputs.items()} == {
        "person": ("object", (1,)),
        "garment": ("object", (1,)),
        "category": ("object", (1,)),
        "description": ("object", (1,)),
        "steps": ("int32", (1,)),
        "seed": ("uint64", (1,)),
        "guidance": ("float32", (1,)),
        "paste_back": ("bool", (1,)),
        "crop": ("object", (1,)),
        "format": ("object", (1,)),
        "scheduler": ("object", (1,)),
        "mask": ("object", (1,)),
        "person_point": ("int32", (2,)),
    }
    assert inputs["category"][0] == b"dresses"
    assert inputs["seed"][0] == 2**64 - 1


def test_an_outfit_takes_a_mask_for_each_garment():
    """None among them leaves that garment's mask to the server."""
    inputs = try_on_inputs(person=COLOURS, garment=[COLOURS] * 2, mask=[None, COLOURS])
    assert inputs["mask"][0] == b""
    assert np.array_equal(decoded(inputs["mask"][1]), COLOURS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mask": [COLOURS] * 2}, "mask must be one for each of 1 garments, got 2"),
        ({"person_index": 0, "person_point": (1, 2)}, "must not both be given"),
        ({"person_index": 0.5}, "person_index must be a whole number, got 0.5"),
        ({"person_point": (1, 2, 3)}, r"person_point must be x and y, got \(1, 2, 3\)"),
        ({"person_point": (1, "2")}, "person_point must be a whole number, got '2'"),
    ],
)
def test_a_choice_that_cannot_be_sent_is_refused(options, says):
    """The client refuses such a choice before it sends anything."""
    with pytest.raises(BadRequest, match=says):
        try_on_inputs(person=COLOURS, garment=COLOURS, **options)


def test_omitted_options_are_not_sent():
    """Options that are not given are not sent, so the server alone holds the defaults."""
    assert set(try_on_inputs(person=COLOURS, garment=COLOURS)) == {"person", "garment"}


def test_several_garments_make_one_outfit():
    """A list of garments travels as one tensor, with one category each."""
    inputs = try_on_inputs(
        person=COLOURS, garment=[COLOURS, png()], category=["upper_body", "lower_body"], garment_id=["a", "b"]
    )
    assert inputs["garment"].shape == inputs["category"].shape == inputs["garment_id"].shape == (2,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"garment": COLOURS}, "person or person_id must be given"),
        ({"person": COLOURS}, "garment or garment_id must be given"),
        ({"person": COLOURS, "garment": []}, "at least one"),
        ({"person": COLOURS, "garment": [COLOURS], "garment_id": ["a", "b"]}, "as many as each other"),
        (
            {"person": COLOURS, "garment": [COLOURS] * 2, "category": "dresses"},
            r"category must be 2 text\(s\)",
        ),
        (
            {"person": COLOURS, "garment": COLOURS, "category": ["a", "b"]},
            r"category must be 1 text\(s\).*got 2",
        ),
        ({"person": COLOURS, "garment": COLOURS, "steps": 2**40}, "steps must fit int32, got 1099511627776"),
        ({"person": COLOURS, "garment": COLOURS, "steps": 2.5}, "steps must be a whole number, got 2.5"),
        ({"person": COLOURS, "garment": COLOURS, "steps": True}, "steps must be a whole number, got True"),
        ({"person": COLOURS, "garment": COLOURS, "seed": -1}, "seed must fit uint64, got -1"),
        ({"person": COLOURS, "garment": COLOURS, "guidance": "2"}, "guidance must be a number, got '2'"),
        ({"person": COLOURS, "garment": COLOURS, "description": "\ud800"}, "lone surrogate"),
        ({"person": COLOURS, "garment": COLOURS, "description": [7]}, "description must be text, got int"),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused(options, says):
    """The client sends no request that every server would refuse."""
    with pytest.raises(BadRequest, match=says):
        try_on_inputs(**options)


def test_an_id_may_stand_for_a_picture():
    """An id can replace a picture, since the server knows the pictures of known people and garments."""
    inputs = try_on_inputs(person_id="ada", garment_id="coat-7")
    assert {name: tensor[0] for name, tensor in inputs.items()} == {
        "person_id": b"ada",
        "garment_id": b"coat-7",
    }


def test_many_try_ons_share_the_person_and_split_lists():
    """The person is encoded once; category, description and seed may differ by garment."""
    each = options_for_each([COLOURS, b"x"], {"person": COLOURS, "seed": [1, 2], "category": "dresses"})
    assert [(one["seed"], one["category"]) for one in each] == [(1, "dresses"), (2, "dresses")]
    assert each[0]["person"] is each[1]["person"]
    with pytest.raises(BadRequest, match="seed must be one for each of 2 garments, got 3"):
        options_for_each([COLOURS, b"x"], {"seed": [1, 2, 3]})
    with pytest.raises(BadRequest, match="takes its garments in `garments`"):
        options_for_each([COLOURS], {"garment": COLOURS})


def test_the_parts_can_be_prepared_alone():
    """Each of the prepare_* models gets its own inputs."""
    assert set(prepare_person_inputs(person=COLOURS)) == {"person", "category"}
    assert set(prepare_garment_inputs(garment=COLOURS)) == {"garment"}
    assert prepare_text_inputs(description="coat")["description"][0] == b"coat"
    with pytest.raises(BadRequest, match="takes one garment"):
        prepare_garment_inputs(garment=[COLOURS, COLOURS])
