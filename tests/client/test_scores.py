"""The client's scores: tensors, both clients, the command `vitrine score`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from vitrine import (
    AsyncFakeTransport,
    AsyncVitrine,
    BadRequest,
    FakeTransport,
    Vitrine,
    VitrineError,
    command,
)
from vitrine.commands import score
from vitrine.scores import read_scores, score_inputs

WHITE = np.full((8, 8, 3), 255, np.uint8)


def test_one_or_several_are_sent():
    """One picture and one prompt are lists of one."""
    assert {name: len(array) for name, array in score_inputs(picture=WHITE, prompt="a").items()} == {
        "image": 1,
        "prompt": 1,
    }
    several = score_inputs(picture=[WHITE, WHITE], prompt=["빨강", "b", "c"])
    assert several["prompt"][0].decode() == "빨강"
    assert (len(several["image"]), len(several["prompt"])) == (2, 3)


@pytest.mark.parametrize("options", [{"picture": [], "prompt": "a"}, {"picture": WHITE, "prompt": []}])
def test_nothing_to_compare_is_refused(options):
    """Before anything is sent."""
    with pytest.raises(BadRequest, match="score needs a picture and a prompt"):
        score_inputs(**options)


async def test_both_clients_give_the_same_scores():
    """Arrays of every picture with every prompt, which cannot be changed."""
    with Vitrine(transport=FakeTransport()) as client:
        found = client.score(picture=[WHITE, WHITE], prompt=["a", "b"])
    assert found.best == (0, 0)
    assert not found.cosine.flags.writeable
    assert [one.prompt for one in found.prompts] == ["a", "b"]
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        again = await other.score(picture=[WHITE, WHITE], prompt=["a", "b"])
    assert np.array_equal(again.cosine, found.cosine)


def test_an_answer_without_its_model_is_an_error():
    """A score means nothing without the model that gave it."""
    outputs = FakeTransport().infer("score", score_inputs(picture=WHITE, prompt="a"), timeout_s=1)
    told = json.loads(outputs["report"][0])
    del told["model"]
    with pytest.raises(VitrineError, match="scores cannot be read: KeyError"):
        read_scores(outputs | {"report": np.array([json.dumps(told).encode()], object)})


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The fake that the command calls, in a folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.fromarray(WHITE).save(name)
    monkeypatch.setattr(score, "open_client", lambda args: Vitrine(transport=FakeTransport()))


def test_the_command_shows_the_best_fit_first(fake, capsys):
    """A line for each picture and prompt, below the model's name."""
    assert command.main(["score", "a.png", "b.png", "--prompt", "red", "--prompt", "blue"]) == 0
    model, _, *lines = capsys.readouterr().out.splitlines()
    assert model == "model fake"
    assert [line.split()[0] for line in lines] == ["0.300", "0.150", "0.300", "0.150"]
    assert lines[0].endswith("a.png: red")


def test_the_command_prints_json(fake, capsys):
    """For scripts: cosines, variants, prompts, model."""
    assert command.main(["score", "a.png", "--prompt", "red", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cosine"][0][0] == pytest.approx(0.3)
    assert told["variants"].keys() == {"clipscore", "torchmetrics"}
    assert told["model"] == "fake"


def test_a_long_prompt_is_told(fake, capsys, monkeypatch):
    """The line shows the part that was read, and why."""

    class Long(FakeTransport):
        def infer(self, model, inputs, **options):
            outputs = super().infer(model, inputs, **options)
            told = json.loads(outputs["report"][0])
            told["prompts"][0] |= {"scored": "red", "tokens": 90, "cut": "clause"}
            return outputs | {"report": np.array([json.dumps(told).encode()], object)}

    monkeypatch.setattr(score, "open_client", lambda args: Vitrine(transport=Long()))
    assert command.main(["score", "a.png", "--prompt", "red, and more"]) == 0
    assert "a.png: red (read without its last clauses: 90 tokens)" in capsys.readouterr().out
