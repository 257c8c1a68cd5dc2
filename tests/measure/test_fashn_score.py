"""The score of a FASHN checkpoint: the sampler that is served, on dolls."""

import asyncio
from dataclasses import replace

import numpy as np
import torch
from vitrine_measure.score.fashn import sampled, try_on_by
from vitrine_measure.score.run import Options, score
from vitrine_orchestrator.fashn.denoise_request import PICTURES, read_request
from vitrine_orchestrator.fashn.facts import FashnFacts
from vitrine_world import dolls


class Answers(torch.nn.Module):
    """Answers each call with what `answer` makes of state, person and garment; keeps the times."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.times, self.categories = answer, [], []

    def forward(self, x, times, person, person_pose, garment, garment_pose, categories):
        """The network's arguments."""
        self.times.append(times.item())
        self.categories.append(categories.item())
        return self.answer(x, person, garment)


FACTS = FashnFacts(
    width=192, height=264, default_steps=5, default_guidance=1.0, prediction_type="sample", shift=1.5,
    unguided_steps=1,
)  # fmt: skip


def state_of(answer, prediction="sample", **choices):
    """The finished state of a job whose person is white and whose garment is black, and the network."""
    net = Answers(answer)
    pictures = {
        name: np.zeros((264, 192, 3)[: 3 if colours else 2], np.uint8) for name, colours in PICTURES.items()
    }
    pictures["person_picture"] += 255
    facts = replace(FACTS, prediction_type=prediction)
    options = {"steps": 5, "guidance": 1.0, **choices}
    arrays = {
        **pictures,
        "category": np.array([b"lower_body"], object),
        "seed": np.array([3], np.uint64),
        "steps": np.array([options["steps"]], np.int32),
        "guidance": np.array([options["guidance"]], np.float32),
    }
    return sampled(net, read_request(arrays, facts)), net


def test_a_clean_prediction_is_the_result():
    """A network that always predicts the same clean picture ends there, whatever the noise."""
    state, net = state_of(lambda x, person, garment: person / 2)
    assert np.allclose(state, 0.5, atol=1e-5)
    assert net.times[0] == 0
    assert net.categories == [2] * 5


def test_a_velocity_moves_the_state_by_the_whole_time():
    """Constant velocities add up to one of them, since time runs from 0 to 1."""
    start, _ = state_of(lambda x, person, garment: torch.zeros_like(x), "velocity")
    moved, _ = state_of(lambda x, person, garment: torch.ones_like(x), "velocity")
    assert np.allclose(moved - start, 1, atol=1e-5)


def test_guidance_goes_beyond_the_conditional_answer():
    """With guidance 2 a step goes twice from the unconditional to the conditional one; the last is plain."""
    state, net = state_of(lambda x, person, garment: person, "velocity", guidance=2.0, steps=2)
    start, _ = state_of(lambda x, person, garment: torch.zeros_like(x), "velocity")
    first = net.times[2]
    assert np.allclose(state - start, 2 * first + (1 - first), atol=1e-5)
    assert net.categories == [2, 0, 2]


def test_dolls_left_as_they_are_score_one():
    """The person unchanged has the error 1 of every category, and no network of the person is asked."""
    attempt = try_on_by(Answers(lambda x, person, garment: person), FACTS, Options(steps=1))
    figures = asyncio.run(score(None, attempt, seed=5, count=3)).figures()
    assert figures.keys() == {"tryon"}
    for category in dolls.CATEGORIES:
        assert abs(figures["tryon"][category]["mae_ratio"] - 1) < 0.02
        assert figures["tryon"][category]["count"] == 1


def test_the_result_has_the_persons_size():
    """The canvas's padding is cut off."""
    attempt = try_on_by(Answers(lambda x, person, garment: person), FACTS, Options(steps=1))
    made = dolls.sample(5, 0)
    person = dolls.draw_person(made.person)
    picture, used = asyncio.run(attempt(person, made, dolls.draw_garment(made.garment)))
    assert picture.shape == person.shape
    assert np.abs(picture.astype(int) - person).max() <= 1
    assert used.all()
