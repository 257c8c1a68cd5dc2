"""Arguments of a wrong type are a BadRequest that names them, before any request."""

import json

import numpy as np
import pytest
from vitrine import BadRequest, FakeTransport, Retry, Vitrine
from vitrine.retry import Tries
from vitrine.wire import datatypes

PICTURE = np.full((64, 48, 3), 200, np.uint8)


def refused(call, says, **options):
    """`call`, a method of a client, must refuse the options without a request."""
    fake = FakeTransport()
    with pytest.raises(BadRequest, match=says):
        getattr(Vitrine(transport=fake), call)(**options)
    assert not fake.calls


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seed": np.int64(-1)}, "seed must fit uint64, got -1"),
        ({"guidance": 1e300}, "guidance must fit float32"),
        ({"guidance": np.float64(-1e300)}, "guidance must fit float32"),
        ({"guidance": 10**400}, "guidance must fit float32"),
        ({"person_point": (None, 3)}, "person_point must be x and y"),
        ({"person_point": 5}, "person_point must be x and y"),
        ({"person_point": {1, 2}}, "person_point must be x and y"),
        ({"category": 5}, "category must be text"),
        ({"category": b"dresses"}, "category must be text"),
        ({"description": 5}, "description must be text"),
        ({"format": 5}, "format must be text"),
        ({"garment_id": 5}, "garment_id must be text"),
    ],
)
def test_a_try_on_refuses_wrong_types(options, says):
    """The value is neither wrapped, nor cut, nor taken letter by letter."""
    refused("try_on", says, person=PICTURE, garment=PICTURE, **options)


@pytest.mark.parametrize("garments", ["a.png", b"bytes", None, 5, {"a": "a.png"}])
def test_many_garments_are_a_list(garments):
    """One path is no list of its letters."""
    refused("try_on_many", "garments must be a list of pictures", person=PICTURE, garments=garments)


@pytest.mark.parametrize("at_once", ["4", None, 2.5, True, 0])
def test_at_once_is_a_whole_number(at_once):
    """How many run at once is at least 1."""
    refused("try_on_many", "at_once must be at least 1", person=PICTURE, garments=[PICTURE], at_once=at_once)


@pytest.mark.parametrize("lora", [["line"], ("line",), {"line"}, 5, {"line": None}, {"line": "x"}])
def test_adapters_are_a_name_or_weights_by_name(lora):
    """A list of names has no weights."""
    refused("text_to_image", "lora", prompt="x", lora=lora)


def test_a_picture_needs_a_prompt():
    """None is not a prompt."""
    refused("text_to_image", "prompt must be given", prompt=None)
    refused("prepare_text", "description must be given", description=None)


@pytest.mark.parametrize("box", [(1, 2, 3, None), 5, (1, 2, 3), np.zeros((4, 2), int)])
def test_a_box_is_four_numbers(box):
    """A box of another form is refused."""
    refused("cut_out", "box must be", image=PICTURE, box=box)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"enlarge": "x"}, "enlarge must be a whole number"),
        ({"enlarge": 1.7}, "enlarge must be a whole number"),
        ({"enlarge": True}, "enlarge must be a whole number"),
        ({"enlarge": 2**40}, "enlarge must fit int32"),
        ({"harmonise": "0.2"}, "harmonise must be a number"),
        ({"sizes": 5}, "sizes must be text"),
        ({"sizes": []}, "sizes must be at least one"),
        ({"texts": 5}, "texts must be a text"),
        ({"texts": [None]}, "texts must be a text"),
        ({"settings": "x"}, "settings must be values by name"),
        ({"settings": {"match": float("nan")}}, "settings must be strings, numbers"),
    ],
)
def test_an_advertisement_refuses_wrong_types(options, says):
    """Numbers are numbers, texts are texts, settings have names."""
    refused("product_ad", says, product=PICTURE, prompt="a table", **options)


@pytest.mark.parametrize("texts", [None, 5, b"x", [5], [None]])
def test_texts_are_words_or_fields(texts):
    """What is set on a picture is text."""
    refused("text_overlay", "texts must be a text", image=PICTURE, texts=texts)


@pytest.mark.parametrize("graph", [None, 5, []])
def test_a_graph_is_nodes_by_name(graph):
    """A graph of another form is refused."""
    refused("run_workflow", "graph must be JSON", graph=graph)


@pytest.mark.parametrize("inputs", [[1], None, {"x": 5}, {"x": np.array(["a"])}, {"x": np.array([1j])}])
def test_tensors_are_arrays_by_name(inputs):
    """Every transport refuses what is no tensor of Triton's."""
    with pytest.raises(BadRequest, match=r"must be (arrays by name|an array of)"):
        datatypes(inputs)


@pytest.mark.parametrize("timeout_s", [float("nan"), "5", True])
def test_a_time_limit_is_a_number(timeout_s):
    """NaN would be a limit that never comes."""
    refused("try_on", "timeout_s must be a number", person=PICTURE, garment=PICTURE, timeout_s=timeout_s)


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e10])
def test_a_very_long_time_limit_is_one_that_clocks_hold(timeout_s):
    """Without a limit the client waits for a month."""
    assert 1e6 < Tries(Retry(), timeout_s).left_s < 1e7


def test_fields_in_another_order_are_the_same_request():
    """So what is kept of the one is found for the other."""
    fake = FakeTransport()
    for settings in ({"shadow": "cast", "match": 0.5}, {"match": 0.5, "shadow": "cast"}):
        Vitrine(transport=fake).product_ad(product=PICTURE, prompt="a table", settings=settings)
    first, second = (call.inputs["settings"][0] for call in fake.calls)
    assert first == second
    assert json.loads(first) == {"match": 0.5, "shadow": "cast"}
