"""What a request of `product_ad` must say, and that it is said before any network runs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from vitrine.errors import BadRequest

sys.path.insert(0, str(Path(__file__).parent))

from fake_ad_stages import TEXTS, AdStages, asked, cut, photo, png, run

CLEAR = np.zeros((60, 40, 4), np.uint8)


def placing(*placements, products=(), **more):
    """A request with these placements; one cut-out product of 30x50 pixels, and a prompt or a scene."""
    words = {} if "scene" in more else {"prompt": "a"}
    return asked(*(products or [cut()]), settings=json.dumps({"placements": placements}), **words, **more)


@pytest.fixture
def stages():
    """The fakes."""
    return AdStages()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"seed": np.array([1], np.uint64)}, "product must be 1 to 8 pictures, got 0"),
        (asked(*[cut()] * 9, prompt="a"), "product must be 1 to 8 pictures, got 9"),
        (asked(*[cut()] * 17, each=True, prompt="a"), "product must be 1 to 16 pictures, got 17"),
        (
            asked(png(np.zeros((4000, 1, 3), np.uint8)), prompt="a"),
            r"product\[0\] must be at least 32",
        ),
        (asked(b"GIF89a", prompt="a"), r"product\[0\]"),
        (asked(), "scene, prompt or sentence must be given: say where the product stands"),
        (asked(prompt="a", sentence="b"), "prompt and sentence must not both be given"),
        (asked(prompt="a", trade="cafe"), "trade must be given with sentence"),
        (asked(scene=photo(), prompt="a"), "prompt must not be given with scene"),
        (asked(scene=photo(), harmonise=0.1), "harmonise must be given with a prompt or a sentence"),
        (asked(prompt="a", harmonise=0.3), "harmonise must be 0 to 0.25, got 0.3"),
        (asked(prompt="a", sizes=["2:1"]), "sizes must be one of 1:1, .*, got '2:1'"),
        (asked(prompt="a", sizes=["1:1", "1:1"]), "sizes must be at most 4 different names"),
        (asked(prompt="a", sizes=["1:1"], width=64), "sizes must not be given together with width"),
        (asked(prompt="a", width=16, height=64), "width and height must be at least 32, got 16x64"),
        (asked(prompt="a", width=64), "width and height must be given together, got width only"),
        (
            asked(*[cut()] * 5, prompt="a", each=True, sizes=["1:1", "4:5", "9:16", "16:9"]),
            "sizes and products must give at most 16 ads, got 20",
        ),
        (asked(prompt="a", settings='{"margin": 2}'), "margin must be 0 to 0.4, got 2"),
        (asked(prompt="a", settings='{"placements": [{}, {}]}'), "placements must be one for each of 1"),
        (asked(photo(), png(CLEAR), prompt="a"), r"product\[1\] must show an object: its largest alpha"),
        (
            placing({"height_cm": 10}, {}, products=[cut(), cut()]),
            "height_cm must be given for all products without a scale or for none, got 1 of 2",
        ),
        (placing({"x": -0.5}), r"placements\[0\].x must leave a part of the product in the scene, got -0.5"),
        (placing({"x": 1.5, "scale": 0.9}, width=96, height=96), r"placements\[0\].x must leave a part"),
        (placing({"x": -0.5, "scale": 0.9}, sizes=["1:1"]), r"placements\[0\].x must leave a part"),
        (placing({"x": -0.5, "scale": 0.9}, scene=photo(height=90, width=90)), r"\[0\].x must leave a part"),
        (placing({"y": 1.5}), r"placements\[0\].y must leave a part of the product in the scene, got 1.5"),
        (placing({"y": 1.8, "scale": 0.5}, products=[photo()]), r"placements\[0\].y must leave a part"),
        (
            asked(prompt="a", settings='{"ground": 0}'),
            "ground must leave a part of the products in the scene",
        ),
        (
            placing({"x": 0.5, "scale": 2}, width=4096, height=4096),
            "scale must leave the product at most 40000000 pixels, got 4915x8192",
        ),
        (asked(prompt="a", texts="["), "texts must be JSON"),
        (asked(prompt="a", texts="0"), "texts must be a JSON list of 1 to 16 texts, got int"),
        (asked(prompt="a", texts="false"), "texts must be a JSON list of 1 to 16 texts, got bool"),
        (asked(prompt="a", texts='[""]'), r"texts\[0\].text must be given: it has no visible character"),
        (
            asked(prompt="a", texts=json.dumps(["a"] * 17)),
            "texts must be a JSON list of 1 to 16 texts, got 17",
        ),
        (asked(prompt="a", texts='[{"text": "a", "ancor": "top"}]'), r"texts\[0\] has unknown fields ancor"),
        (
            asked(prompt="a", texts='[{"text": "a", "size": 9, "min_size": 10}]'),
            "min_size must be at most size",
        ),
        (asked(sentence="라떼", trade="우주"), "trade must be one of cafe, .*, got '우주'"),
        (asked(sentence="가" * 1001), "sentence must have at most 1000 characters, got 1001"),
        (asked(prompt="a", settings=f'{{"match": {10**400}}}'), "match must be 0 to 1, got 1000"),
        (asked(prompt="a", steps=0), "steps must be 1 to 100, got 0"),
        (asked(prompt="a", guidance=float("nan")), "guidance must be 0 to 20, got nan"),
        (asked(prompt="a", format="gif"), "format must be one of png, jpeg, webp"),
    ],
)
def test_a_bad_request_calls_no_stage(stages, inputs, said):
    """The error names the input, the rule and the value."""
    with pytest.raises(BadRequest, match=said):
        run(stages, inputs)
    assert not stages.calls


@pytest.mark.parametrize(
    ("name", "more"), [("text_overlay", {"texts": TEXTS}), ("prepare_ad_prompt", {"texts": TEXTS})]
)
def test_what_fonts_or_words_refuse_is_said_before_any_network_runs(stages, name, more):
    """A character that no font has, and a sentence of which no word is known."""

    def refused(inputs):
        raise BadRequest("no font has it")

    stages.answers[name] = refused
    with pytest.raises(BadRequest, match="no font has it"):
        run(stages, asked(sentence="라떼", **more))
    assert {called for called, _ in stages.calls} <= {"text_overlay", "prepare_ad_prompt"}


@pytest.mark.parametrize(
    "inputs",
    [
        placing({"x": -0.1, "scale": 0.5}, width=96, height=96),
        placing({"x": 1.2, "scale": 1.5}, sizes=["9:16"]),
        placing({"y": 1.2, "scale": 0.5}),
        placing({"x": -0.5, "scale": 2}, products=[photo()]),
        placing({"x": 1.1}),
    ],
)
def test_a_product_that_a_scene_shows_a_part_of_is_placed(stages, inputs):
    """What the request alone refuses is what the composition would refuse."""
    run(stages, inputs)
    assert stages.counts("compose") == {"compose": 1}


def test_texts_may_be_as_long_as_those_of_text_overlay(stages):
    """200 000 bytes: a page of a caller is longer than settings."""
    page = {"html": "<p>" + "가" * 30_000 + "</p>", "page": [300, 100]}
    run(stages, asked(cut(), prompt="a", texts=json.dumps([page], ensure_ascii=False)))
    assert stages.counts("text_overlay") == {"text_overlay": 2}


@pytest.mark.parametrize("texts", ["null", "[]"])
def test_no_texts_are_no_call(stages, texts):
    """Null and an empty list."""
    run(stages, asked(prompt="a table", texts=texts))
    assert stages.counts("text_overlay") == {"text_overlay": 0}
