"""Models that others load and unload through Triton's API."""

import asyncio
import threading

import pytest
from settled import resident, settle
from test_owner import Loader, owned, ready, stages_on
from vitrine_orchestrator.residency import owner as owning
from vitrine_orchestrator.residency.others import Others
from vitrine_orchestrator.residency.resident import State

READY = {"pose": "READY", "vae": "READY"}
GONE = {"pose": "READY", "vae": "UNAVAILABLE"}
NAMES = {"pose": "pose", "vae": "vae"}


@pytest.fixture
def two(books):
    """Two loaded models, and who tells what others do to them."""
    residency = books(100, pose=10, vae=10)
    settle(residency)
    return residency, Others(residency)


@pytest.mark.parametrize("state", ["UNAVAILABLE", "UNLOADING", "LOADING", None])
def test_what_is_not_ready_was_unloaded(two, state):
    """Whatever Triton's word is; a name that it does not know is not loaded either."""
    _, others = two
    states = {"pose": "READY"} | ({"vae": state} if state else {})
    assert others.moved(others.still(), states, NAMES) == {"vae": False}
    assert others.moved(others.still(), READY, NAMES) == {}


def test_what_is_ready_was_loaded(two):
    """Under the name by which Triton knows it now."""
    residency, others = two
    residency.unloaded("vae")
    assert others.moved(others.still(), READY, NAMES) == {"vae": True}
    assert others.moved(others.still(), READY, NAMES | {"vae": "vae_again_1"}) == {}


@pytest.mark.parametrize("state", [State.LOADING, State.LEAVING])
def test_what_the_owner_moves_is_left_alone(two, state):
    """Both when Triton was asked, and when its answer is read."""
    residency, others = two
    before = others.still()
    residency.models["vae"].state = state
    assert others.moved(before, GONE, NAMES) == {}
    before = others.still()
    residency.models["vae"].state = State.IN
    assert others.moved(before, GONE, NAMES) == {}


def test_what_the_owner_moved_meanwhile_is_left_alone(two):
    """It was unloaded and loaded again between the question and the answer, which is of the time between."""
    _, others = two
    before = others.still()
    others.begin("vae")
    assert others.moved(before, GONE, NAMES) == {}
    assert others.moved(others.still(), GONE, NAMES) == {"vae": False}


def test_a_model_at_rest_can_be_unloaded_by_others(two):
    """What its process then says about its rest changes nothing."""
    residency, others = two
    residency.can_rest("vae", 5)
    residency.models["vae"].state = State.RESTING
    assert others.moved(others.still(), GONE, NAMES) == {"vae": False}
    residency.unloaded("vae")
    residency.rested("vae", 5)
    residency.can_rest("vae", None)
    assert resident(residency) == {"pose"}


@pytest.fixture
def loader(monkeypatch):
    """A loader of nothing, whose owner looks often."""
    monkeypatch.setattr(owning, "COMPARE_S", 0.02)
    return Loader()


async def until(holds):
    """Wait until something holds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_network_that_others_unloaded_is_loaded_for_the_next_call(loader):
    """Pipelines, which asked for nothing while all fit, are told."""
    async with owned(loader, 200) as (owner, link, _):
        await ready(owner)
        loader.inside.discard("vae")
        await until(lambda: owner.residency.models["vae"].state is State.OUT and not link._free)
        assert "+vae" in loader.log
        assert await stages_on(link, loader)("vae", {}) == "vae"
        assert loader.log[-1] == "+vae"
        assert owner.residency.all_fit


async def test_what_others_load_is_counted_and_makes_others_leave(loader):
    """With room for two models; what is least worthy goes."""
    async with owned(loader, 10 + 65) as (owner, _, _):
        await ready(owner)
        assert loader.inside == {"pose", "vae"}
        loader.inside.add("denoise_z_image")
        await until(lambda: any(one.startswith("-") for one in loader.log))
        await until(lambda: loader.read().total <= 10 + 65)
        assert owner.residency.taken_bytes <= 65


class StaleLoader(Loader):
    """Answers what it held some time ago, as a busy server does."""

    def __init__(self):
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()

    def states(self):
        """What was true when it was asked."""
        states = super().states()
        self.asked.set()
        assert self.go.wait(5)
        return states


async def test_an_old_answer_hides_no_load_of_the_owners_own(loader):
    """The model was not loaded when Triton was asked, and is when Triton answers."""
    stale = StaleLoader()
    async with owned(stale, 10 + 55) as (owner, link, _):
        await ready(owner)
        name = "vae" if "vae" not in stale.inside else "pose"
        stale.go.clear()
        stale.asked.clear()
        await asyncio.to_thread(stale.asked.wait, 5)
        assert await stages_on(link, stale)(name, {}) == name
        log = list(stale.log)
        stale.go.set()
        await asyncio.sleep(0.1)
        assert owner.residency.models[name].state is State.IN
        assert stale.log == log
