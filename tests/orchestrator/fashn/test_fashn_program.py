"""FASHN VTON in the batcher: rows of jobs and branches, exact savings, and equal answers in any company."""

from concurrent.futures import Future

import numpy as np
import pytest
from vitrine.errors import BadRequest, StageFailed
from vitrine_orchestrator.batching.denoise_model import DenoiseModel
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.fashn.canvas import as_tensor
from vitrine_orchestrator.fashn.denoise_request import PICTURES
from vitrine_orchestrator.fashn.facts import FAMILY, FashnFacts
from vitrine_orchestrator.fashn.program import FashnProgram
from vitrine_orchestrator.fashn.schedule import schedule, times
from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedule import advance

HEIGHT, WIDTH = 24, 12
FACTS = FashnFacts(
    WIDTH,
    HEIGHT,
    default_steps=4,
    default_guidance=1.5,
    prediction_type="velocity",
    shift=1.5,
    unguided_steps=1,
)
WAIT_S = 60


class FakeEngine:
    """A network that is a formula; counts its rows and calls."""

    def __init__(self):
        self.steps, self.tokens, self.pairs, self.spoil = [], 0, [], False

    def fixed_tokens(self, pictures):
        """One number for each row's pictures."""
        rows = len(pictures["person"])
        self.tokens += rows
        means = [sum(float(array[row].mean()) for array in pictures.values()) for row in range(rows)]
        return [DeviceRow((mean,), 4) for mean in means]

    def modulations(self, times, categories):
        """The moment itself."""
        self.pairs += list(zip(times.tolist(), categories.tolist(), strict=True))
        return [DeviceRow((pair,), 8) for pair in zip(times, categories, strict=True)]

    def batch(self, tokens):
        """The rows' numbers."""
        return [row.parts[0] for row in tokens]

    def step(self, batch, states, modulations):
        """A velocity of all that the network knows of the row."""
        assert len(batch) == len(states) == len(modulations)
        self.steps.append(len(states))
        rows = zip(batch, states, (row.parts[0] for row in modulations), strict=True)
        answer = np.stack([velocity(mark, state, *moment) for mark, state, moment in rows])
        return answer * np.float32(np.nan) if self.spoil else answer


def velocity(mark, state, time, category):
    """The formula of one row."""
    return (np.tanh(state) * np.float32(0.5) + np.float32(mark + time - 0.3 * category)).astype(np.float32)


def arrays(seed=0, steps=4, guidance=1.5, category="upper_body", name=None):
    """The arrays of one request; its pictures depend on the seed."""
    draw = np.random.default_rng(seed)
    shapes = {picture: (HEIGHT, WIDTH, 3)[: 3 if colours else 2] for picture, colours in PICTURES.items()}
    given = {picture: draw.integers(0, 256, shape, dtype=np.uint8) for picture, shape in shapes.items()}
    words = {"family": FAMILY, "category": category} | ({"job": name} if name else {})
    return {
        **given,
        **{key: np.array([value.encode()], object) for key, value in words.items()},
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([guidance], np.float32),
    }


def expected(given):
    """The state of a request, by the plain loop of the published sampler: both branches in every step."""
    steps, guidance = int(given["steps"][0]), float(given["guidance"][0])
    category = {b"upper_body": 1, b"lower_body": 2, b"dresses": 3}[given["category"][0]]
    mark = sum(float(as_tensor(given[name]).mean()) for name in PICTURES)
    state, at = initial_noise(int(given["seed"][0]), (3, HEIGHT, WIDTH)), times(steps)
    for step in range(steps):
        moment = np.float32(at[step])
        with_all, none = velocity(mark, state, moment, category), velocity(0.0, state, moment, 0)
        if step == steps - 1 or guidance <= 1:
            none, guidance_here = with_all, 1.0
        else:
            guidance_here = guidance
        state = state + np.float32(at[step + 1] - at[step]) * (none + guidance_here * (with_all - none))
    return state


@pytest.fixture
def engine():
    """The formula."""
    return FakeEngine()


@pytest.fixture
def front(engine):
    """The denoise model with this family alone."""
    model = DenoiseModel(DenoiseService({FAMILY: FashnProgram(engine, FACTS)}))
    yield model
    model.close()


def ask(front, given):
    """Send one job; its answer is a future."""
    answer = Future()
    front.handle(given, answer.set_result)
    return answer


def test_a_job_equals_the_plain_loop_in_fewer_rows(front, engine):
    """Two rows in a guided step and one in the last give the same picture as two rows in every step."""
    given = arrays(seed=3, steps=5)
    found = ask(front, given).result(WAIT_S)["latents"]
    np.testing.assert_allclose(found, expected(given), atol=1e-5)
    assert engine.steps == [2, 2, 2, 2, 1]


@pytest.mark.parametrize(("guidance", "steps"), [(1.0, [1, 1, 1]), (0.0, [1, 1, 1]), (3.0, [2, 2, 1])])
def test_guidance_of_one_or_less_takes_one_row(front, engine, guidance, steps):
    """Without guidance the unconditional branch is not computed."""
    given = arrays(seed=1, steps=3, guidance=guidance)
    np.testing.assert_allclose(ask(front, given).result(WAIT_S)["latents"], expected(given), atol=1e-5)
    assert engine.steps == steps


def test_jobs_in_flight_together_equal_jobs_alone(front, engine):
    """Jobs of other lengths, categories and guidance share calls and change nothing."""
    words = ("upper_body", "lower_body", "dresses")
    asked = [arrays(i, steps=3 + i % 3, guidance=1 + i % 2, category=words[i % 3]) for i in range(6)]
    answers = [ask(front, given) for given in asked]
    for given, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer.result(WAIT_S)["latents"], expected(given), atol=1e-5)
    assert max(engine.steps) > 2


def test_the_first_unconditional_velocity_is_kept_by_seed(front, engine):
    """It depends on the seed alone: the second job of a seed has a row less, and equal numbers."""
    first = arrays(seed=7, category="dresses")
    ask(front, first).result(WAIT_S)
    other = arrays(seed=8) | {"seed": first["seed"]}
    found = ask(front, other).result(WAIT_S)["latents"]
    assert engine.steps == [2, 2, 2, 1, 1, 2, 2, 1]
    np.testing.assert_allclose(found, expected(other), atol=1e-5)


def test_modulations_are_computed_once_for_all_jobs(front, engine):
    """A table by time and category: the second job of a length and category computes none."""
    for seed in range(3):
        ask(front, arrays(seed=seed)).result(WAIT_S)
    assert len(engine.pairs) == len(set(engine.pairs)) == 4 + 3
    ask(front, arrays(seed=4, category="dresses")).result(WAIT_S)
    assert len(engine.pairs) == 4 + 3 + 4


def test_opening_computes_the_modulations_of_the_default_steps(engine):
    """No request of the default length waits for them."""
    FashnProgram(engine, FACTS).warm()
    assert len(set(engine.pairs)) == 4 * FACTS.default_steps


def test_numbers_that_are_not_finite_fail_the_job_and_are_not_kept(front, engine):
    """The next job of the same seed is computed again."""
    engine.spoil = True
    assert isinstance(ask(front, arrays(seed=5)).result(WAIT_S), StageFailed)
    engine.spoil = False
    given = arrays(seed=5)
    np.testing.assert_allclose(ask(front, given).result(WAIT_S)["latents"], expected(given), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"person_picture": None}, "person_picture is missing"),
        ({"garment_picture": np.zeros((24, 13, 3), np.uint8)}, r"must be uint8 of shape \(24, 12, 3\)"),
        ({"person_pose_picture": np.zeros((24, 12), np.float32)}, "must be uint8 of shape"),
        ({"category": np.array([b"hat"], object)}, "category must be one of upper_body, lower_body, dresses"),
        ({"scheduler": np.array([b"ddim"], object)}, "scheduler must be one of checkpoint, flow"),
    ],
)
def test_a_wrong_request_is_refused(front, change, words):
    """The message names the input and the rule."""
    given = {name: array for name, array in (arrays() | change).items() if array is not None}
    found = ask(front, given).result(WAIT_S)
    assert isinstance(found, BadRequest)
    with pytest.raises(BadRequest, match=words):
        raise found


def test_a_network_that_answers_with_the_picture_moves_as_far():
    """Both kinds of prediction give the same next state: velocity = (picture − state) / (1 − t)."""
    draw = np.random.default_rng(0)
    state, picture = draw.standard_normal((2, 5, 3, 4, 4)).astype(np.float32)
    by_velocity, by_sample = schedule(5), schedule(5, prediction="sample")
    left = (1 - by_velocity.timesteps).reshape(5, 1, 1, 1)
    moved, clean = advance(by_velocity.table, state, (picture - state) / left, 0.0)
    others = advance(by_sample.table, state, picture, 0.0)
    np.testing.assert_allclose(moved, others[0], atol=1e-5)
    np.testing.assert_allclose(clean, others[1], atol=1e-5)
    np.testing.assert_allclose(moved[-1], picture[-1], atol=1e-5)
    with pytest.raises(UnsupportedScheduler, match="must be one of"):
        schedule(5, prediction="noise")
