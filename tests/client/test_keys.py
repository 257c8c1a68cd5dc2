"""Keys of results: the old service's keys byte for byte, and the new ones, which no id can escape."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vitrine.errors import BadRequest
from vitrine.inputs import image_to_image_inputs, text_to_image_inputs, try_on_inputs
from vitrine.keys import old_result_key, path_segment, result_key, result_path

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "hash_vectors.json").read_text())
PERSON, COAT, SHIRT = (np.full((4, 4, 3), grey, np.uint8) for grey in (200, 30, 90))
ANY_TEXT = st.text(st.characters(codec=None), max_size=12)  # lone surrogates too


def test_there_are_enough_vectors():
    """At least 200 vectors were made by Node, hard ids among them."""
    assert len(VECTORS) >= 200
    garments = {garment for vector in VECTORS for garment in vector["garments"]}
    assert {"", "a,b", "😀", "\ud800", "é", "e\u0301", "\uffff", "10"} <= garments


def test_the_old_key_is_nodes():
    """The old key equals Node's for each vector: emoji, lone surrogates, commas, empty ids, numbers."""
    wrong = [
        vector
        for vector in VECTORS
        if old_result_key(vector["user"], vector["photo"], vector["garments"]) != vector["key"]
    ]
    assert wrong == []


def test_the_old_order_is_by_code_units():
    """U+1F600 is D83D DE00 in UTF-16 and so comes before U+FFFF; by code points it would come after."""
    ids = ["\uffff", "😀"]
    assert old_result_key("u", "p", ids) == old_result_key("u", "p", reversed(ids))
    assert sorted(ids) == ids  # Python's own order is the other one


def key(versions=None, digest="p", **options):
    options = {"person": PERSON, "garment": COAT, "category": "upper_body"} | options
    return result_key(try_on_inputs(**options), pipeline_digest=digest, versions=versions)


def test_the_same_request_has_the_same_key():
    """Keys do not change between runs and machines; this one is pinned."""
    assert key(seed=7) == key(seed=7)
    inputs = {"person": np.array([b"p"], object), "seed": np.array([7], np.uint64)}
    pinned = "d277a8b58c7c20b028278d32332e988b749eff01b0812f2fdf6116a16d6e3fbb"
    assert result_key(inputs, pipeline_digest="d") == pinned


DIFFERENT = {
    "as it is": {},
    "person": {"person": COAT},
    "garment": {"garment": SHIRT},
    "garments": {"garment": [COAT, SHIRT], "category": None},
    "garments turned": {"garment": [SHIRT, COAT], "category": None},
    "category": {"category": "dresses"},
    "no category": {"category": None},
    "description": {"description": "coat"},
    "empty description": {"description": ""},
    "steps": {"steps": 7},
    "seed": {"seed": 7},
    "other seed": {"seed": 8},
    "guidance": {"guidance": 7},
    "paste_back": {"paste_back": False},
    "crop": {"crop": "fit"},
    "format": {"format": "jpeg"},
    "scheduler": {"scheduler": "ddim"},
    "pipeline": {"digest": "q"},
    "person id too": {"person_id": "7"},
    "garment id too": {"garment_id": "7"},
    "person by id": {"person": None, "person_id": "7", "versions": {"person_id": "1"}},
    "person's version": {"person": None, "person_id": "7", "versions": {"person_id": "2"}},
    "garment by id": {"garment": None, "garment_id": "7", "versions": {"garment_id": "1"}},
    "ids": {
        "garment": None,
        "garment_id": ["7", "8"],
        "category": None,
        "versions": {"garment_id": ["1", "2"]},
    },
    "one id": {"garment": None, "garment_id": "7,8", "category": None, "versions": {"garment_id": "1"}},
}


def test_all_that_changes_the_picture_changes_the_key():
    """No two of these requests may share a picture."""
    keys = {name: key(**options) for name, options in DIFFERENT.items()}
    assert len(set(keys.values())) == len(keys)


DIFFERENT_PICTURES = {
    "as it is": {},
    "prompt": {"prompt": "A cup"},
    "negative prompt": {"negative_prompt": "blurry"},
    "size": {"width": 64, "height": 32},
    "size turned": {"width": 32, "height": 64},
    "aspect ratio": {"aspect_ratio": "4:5"},
    "other ratio": {"aspect_ratio": "5:4"},
    "steps": {"steps": 7},
    "seed": {"seed": 7},
    "guidance": {"guidance": 7},
    "scheduler": {"scheduler": "flow"},
    "adapter": {"lora": "night"},
    "other adapter": {"lora": "line"},
    "weight": {"lora": {"night": 0.5}},
    "two adapters": {"lora": {"night": 1, "line": 1}},
    "format": {"format": "webp"},
    "model": {"model": "flux"},
    "image": {"image": PERSON},
    "other image": {"image": COAT},
    "strength": {"image": COAT, "strength": 0.3},
    "other strength": {"image": COAT, "strength": 0.9},
    "pipeline": {"digest": "q"},
}


def test_all_that_changes_a_drawn_picture_changes_its_key():
    """No two of these requests may share a picture, with an image or without."""
    keys = set()
    for changed in DIFFERENT_PICTURES.values():
        options = {"prompt": "a cup", "digest": "p"} | changed
        digest = options.pop("digest")
        write = image_to_image_inputs if "image" in options else text_to_image_inputs
        keys.add(result_key(write(**options), pipeline_digest=digest))
    assert len(keys) == len(DIFFERENT_PICTURES)


@given(
    st.lists(st.binary(max_size=6), min_size=1, max_size=4),
    st.lists(st.binary(max_size=6), min_size=1, max_size=4),
)
def test_texts_never_run_into_each_other(one, other):
    """Any two different lists of ids have different keys."""
    keys = [result_key({"garment": np.array(ids, object)}, pipeline_digest="p") for ids in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"person": None, "person_id": "7"}, r"person_id needs 1 version\(s\), got 0"),
        ({"garment": None, "garment_id": "7"}, "an id cannot tell that its picture changed"),
        ({"versions": {"person": "1"}}, r"versions are of person_id, garment_id, got \['person'\]"),
    ],
)
def test_an_id_without_a_version_is_refused(options, says):
    """An id without a version is refused, since its key could serve the picture of an old photo."""
    with pytest.raises(BadRequest, match=says):
        key(**options)


HARD_IDS = [
    *(
        "",
        ".",
        "..",
        "../",
        "../..",
        "/",
        "//",
        "a/b",
        "a//b",
        "\0",
        "a\0",
        "a",
        "A",
        "~",
        "%",
        "%2F",
        "a%2Fb",
    ),
    *("1", "10", "é", "e\u0301", "😀", "\ud800", "\ud83d", "\\", "*", "?", "a b", "x" * 10240, "y" * 10240),
    *("é" * 33, "é" * 34, "x" * 200, "x" * 201, "~" + "0" * 64),
]


def test_ids_do_not_collide_and_do_not_escape():
    """Every hard id becomes one segment of safe characters, and no two segments are equal."""
    segments = [path_segment(identity) for identity in HARD_IDS]
    assert len(set(segments)) == len(HARD_IDS)
    for segment in segments:
        assert 1 <= len(segment) <= 200
        assert set(segment) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_%~")


@given(ANY_TEXT, ANY_TEXT)
def test_different_ids_have_different_segments(one, other):
    """Any two different texts have different segments."""
    assert (path_segment(one) == path_segment(other)) == (one == other)


def test_no_users_folder_begins_with_anothers():
    """A user's folder ends with a slash that no id contains, so clearing user 1 leaves user 10."""
    folders = [result_path(identity, "0" * 64).rpartition("/")[0] + "/" for identity in HARD_IDS]
    assert not any(b.startswith(a) for a, b in itertools.permutations(folders, 2))


def test_ordinary_ids_keep_the_old_layout():
    """Objects that the old service stored are found under their old paths."""
    assert result_path("550e8400-e29b", "ab" * 32) == f"vto/550e8400-e29b/{'ab' * 32}.png"


@pytest.mark.parametrize("wrong", ["", "../x", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_a_key_is_64_hexadecimal_digits(wrong):
    """A key of any other form is refused, so nothing else reaches a path."""
    with pytest.raises(BadRequest, match="key must be 64 hexadecimal digits"):
        result_path("ada", wrong)


def test_an_id_must_be_text():
    """An id that is a number is refused."""
    with pytest.raises(BadRequest, match="an id must be text, got int"):
        path_segment(7)
