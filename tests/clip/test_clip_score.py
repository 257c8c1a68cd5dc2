"""The pipeline `score` on fake towers: cosines, variants, long prompts, what is refused."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.clip.context import ScoreContext
from vitrine_orchestrator.clip.score import score
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.clip import LENGTH


def texted(*values):
    """A BYTES tensor."""
    return np.array([one if isinstance(one, bytes) else one.encode() for one in values], object)


def png(grey):
    """An encoded picture of one grey."""
    file = io.BytesIO()
    Image.new("RGB", (40, 32), (grey,) * 3).save(file, "PNG")
    return file.getvalue()


def directions(angles):
    """Vectors of the plane at these angles, of length 3."""
    return {"features": 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)}


@pytest.fixture
def stages():
    """A picture points the further from the first axis the brighter it is; a text by its second token."""
    return FakeStages(
        clip_image=lambda given: directions(1.0 * (given["pixel_values"].mean(axis=(1, 2, 3)) > 0)),
        clip_text=lambda given: directions(given["input_ids"][:, 1] / 100),
    )


@pytest.fixture
def context(stages, manifest):
    """A request context over the fakes."""
    return ScoreContext(stages, manifest)


def report(answer):
    """The report of an answer."""
    return json.loads(answer["report"][0])


async def test_every_picture_is_compared_with_every_prompt(context, stages, tokens):
    """The raw cosine, and the named variants of it: each with its weight and prefix, never below 0."""
    asked = {"image": texted(png(0), png(255)), "prompt": texted("red", "blue", "photo")}
    answer = await score(context, tokens, asked)
    plain, prefixed = (
        np.array([tokens(prefix, prompt).ids[1] for prompt in ("red", "blue", "photo")]) / 100
        for prefix in ("", "A photo depicts ")
    )
    pictures = np.array([[0.0], [1.0]])
    assert np.abs(answer["cosine"] - np.cos(pictures - plain)).max() < 1e-6
    told = report(answer)
    wanted = {
        "torchmetrics": 100 * np.maximum(np.cos(pictures - plain), 0),
        "clipscore": 2.5 * np.maximum(np.cos(pictures - prefixed), 0),
    }
    assert told["variants"].keys() == wanted.keys()
    for name, numbers in wanted.items():
        assert np.abs(np.array(told["variants"][name]) - numbers).max() < 1e-4, name
    assert told["model"] == "clip-vit-tiny"
    assert "bicubic" in told["preprocessing"]
    assert [one["cut"] for one in told["prompts"]] == ["no", "no", "no"]
    assert len(stages.calls) == 2


async def test_sixteen_prompts_are_read_in_calls_that_a_tower_takes(context, stages, tokens):
    """With the prefix of a variant there are twice as many texts; the answers stay in order."""
    prompts = [f"{'a' * n} red" for n in range(1, 17)]
    answer = await score(context, tokens, {"image": texted(png(0)), "prompt": texted(*prompts)})
    rows = [len(given["input_ids"]) for name, given in stages.calls if name == "clip_text"]
    assert rows == [16, 16]
    angles = np.array([tokens("", prompt).ids[1] for prompt in prompts]) / 100
    assert np.abs(answer["cosine"][0] - np.cos(angles)).max() < 1e-6


LONG = "a red photo, " + ", ".join(f"wearing shirts {n}" for n in range(40))


@pytest.mark.parametrize(
    ("prompt", "cut", "scored"),
    [
        ("a red photo", "no", "a red photo"),
        (LONG, "clause", None),
        ("a red photo. " + "x" * 90, "clause", "a red photo."),
        ("빨간 주전자。" + "x" * 90, "clause", "빨간 주전자。"),
        ("y" * 90, "token", "y" * 75),
        ("1.5" * 40, "token", ("1.5" * 40)[:75]),
    ],
)
def test_a_prompt_that_does_not_fit_keeps_its_beginning(tokens, prompt, cut, scored):
    """Whole clauses where one fits; the report says what was read and how long the prompt was."""
    read = tokens("", prompt)
    assert read.cut == cut
    assert len(read.ids) == 77
    assert prompt.startswith(read.text)
    assert scored is None or read.text == scored
    if cut == "clause":
        assert np.array_equal(read.ids, tokens("", read.text).ids)
        assert read.tokens > 77


def test_as_many_clauses_as_fit_are_kept(tokens):
    """One clause more would be too long."""
    read = tokens("", LONG)
    following = LONG[len(read.text) :].split(",")[1]
    assert tokens("", read.text).cut == "no"
    assert tokens("", f"{read.text},{following}").cut != "no"


def test_a_cut_text_still_ends(tokens):
    """The end token, where CLIP pools, is the last of the 77."""
    assert tokens("", "y" * 90).ids[-1] == tokens("", "y").ids[2]


BAD = [
    ({"prompt": texted("red")}, "image must be 1 to 16 in one request, got 0"),
    ({"image": texted(png(0))}, "prompt must be 1 to 16 in one request, got 0"),
    (
        {"image": texted(*[png(0)] * 17), "prompt": texted("red")},
        "image must be 1 to 16",
    ),
    ({"image": texted(png(0)), "prompt": texted(*["red"] * 17)}, "prompt must be 1 to 16"),
    ({"image": texted(png(0)), "prompt": texted("red", " ")}, "prompt 1 must not be empty"),
    ({"image": texted(png(0)), "prompt": texted("x" * 10_001)}, "prompt must have at most 10000 characters"),
    ({"image": texted(png(0)), "prompt": texted(b"\xed\xa0\x80")}, "prompt must be UTF-8"),
    ({"image": texted(b"GIF89a"), "prompt": texted("red")}, "image"),
    (
        {"image": texted(png(0)), "image_raw": np.zeros((9, 9, 3), np.uint8), "prompt": texted("red")},
        "image and image_raw must not both be given",
    ),
]


@pytest.mark.parametrize(("asked", "said"), BAD)
async def test_a_bad_request_runs_no_network(context, stages, tokens, asked, said):
    """The error names the input, the rule and the value."""
    with pytest.raises(BadRequest) as refused:
        await score(context, tokens, asked)
    assert said in str(refused.value)
    assert not stages.calls


def test_a_list_of_many_clauses_is_read_from_its_beginning(tokens, monkeypatch):
    """Reading stops at the first clause that does not fit; its cost does not grow with the rest."""
    read = []
    encode = tokens._tokenizer.encode
    monkeypatch.setattr(
        tokens, "_tokenizer", SimpleNamespace(encode=lambda text: read.append(text) or encode(text))
    )
    long = tokens("", ", ".join(f"cup {number}" for number in range(500)))
    assert long.cut == "clause"
    assert long.text.startswith("cup 0, cup 1")
    assert 2 <= len(read) < 50
    assert len(encode(long.text).ids) <= LENGTH < len(encode(f"{long.text}, cup {len(read) - 2}").ids)
