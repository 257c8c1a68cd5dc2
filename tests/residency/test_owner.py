"""The owner and pipelines on a real socket, with a loader that loads nothing."""

import asyncio
import os
import uuid
from contextlib import asynccontextmanager

import pytest
from vitrine.errors import Busy, Unavailable
from vitrine_orchestrator.residency.leases import LeasedStages, OwnerLink, Route
from vitrine_orchestrator.residency.meter import Reading
from vitrine_orchestrator.residency.owner import Owner
from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Limits, Resident

SIZES = {"pose": 30, "denoise_z_image": 50, "vae": 30}


class Loader:
    """Keeps the names that are loaded; `troubles` are raised by the next loads."""

    by_model = True

    def __init__(self):
        self.inside, self.log, self.troubles, self.killed = set(), [], [], 0

    def load(self, name):
        """Load at once."""
        self.log.append(f"+{name}")
        if self.killed:
            self.killed -= 1
            return None
        if self.troubles:
            raise self.troubles.pop(0)
        self.inside.add(name)
        return 0.01

    def unload(self, name):
        """Unload at once."""
        self.log.append(f"-{name}")
        self.inside.discard(name)

    def states(self):
        """What Triton would say."""
        return dict.fromkeys(self.inside, "READY")

    def read(self, anew=False):
        """What a meter would say: every model takes its size."""
        taken = {name: next(size for known, size in SIZES.items() if known in name) for name in self.inside}
        return Reading(10 + sum(taken.values()), taken, taken)


@pytest.fixture
def loader():
    """A loader of nothing."""
    return Loader()


@asynccontextmanager
async def owned(loader, budget, address=None, estimates=SIZES, **limits):
    """An owner and a link to it."""
    given = {"keep_s": 0.0, "patience_s": 0.1, "patience_loads": 0.0, "wait_s": 5.0} | limits
    books = Residency([Resident(*one) for one in estimates.items()], Limits(budget, **given))
    owner = Owner(books, loader, loader, lambda name, time: f"{name}_again_{time}" if time else name)
    address = address or f"\0vitrine-test-{uuid.uuid4().hex}"
    link = OwnerLink(address)
    tasks = [asyncio.create_task(owner.run(address)), asyncio.create_task(link.run())]
    await link.linked()
    try:
        yield owner, link, tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def stages_on(link, loader, family="z-image", route=None):
    """The stages of a request, which answer with Triton's name of the model that was called."""

    async def call(stage, known_as, inputs):
        await asyncio.sleep(0.01)
        if known_as != "compose":
            assert known_as in loader.inside, "a model was called that is not loaded"
        return known_as

    return LeasedStages(call, link, family, route or Route())


async def ready(owner):
    """Wait for the first loads."""
    while not owner.ready:
        await asyncio.sleep(0.01)


async def test_while_all_fit_no_message_is_sent(loader):
    """The owner hears nothing of calls, and knows of no lease."""
    async with owned(loader, 200) as (owner, link, _):
        await ready(owner)
        stages = stages_on(link, loader)
        await asyncio.sleep(0.05)
        link._send = None  # a message would fail
        assert await stages("pose", {}) == "pose"
        assert await stages("denoise", {}) == "denoise_z_image"
        assert await stages("compose", {}) == "compose"
        assert owner.residency.models["pose"].uses == 0


async def test_calls_of_models_that_do_not_fit_together_all_end(loader):
    """Many at once, each on a loaded model, within the budget."""
    async with owned(loader, 10 + 60) as (owner, link, _):
        stages = [stages_on(link, loader) for _ in range(12)]
        names = ("pose", "denoise", "vae")
        answers = await asyncio.gather(*(one(names[n % 3], {}) for n, one in enumerate(stages)))
        assert answers == ["pose", "denoise_z_image", "vae"] * 4
        await asyncio.sleep(0.05)
        assert all(one.leases == 0 for one in owner.residency.models.values())
        assert owner.residency.evictions > 0


async def test_the_next_stage_is_loaded_while_this_one_computes(loader):
    """A request announces what an earlier one of its pipeline called next."""
    route = Route()
    route.learn(["denoise", "vae"])
    async with owned(loader, 10 + 80) as (owner, link, _):
        await ready(owner)
        assert loader.inside == {"pose", "denoise_z_image"}

        async def compute(stage, known_as, inputs):
            while "vae" not in loader.inside:
                await asyncio.sleep(0.01)
            return known_as

        stages = LeasedStages(compute, link, "z-image", route)
        assert await asyncio.wait_for(stages("denoise", {}), 5) == "denoise_z_image"
        assert owner.residency.models["vae"].uses == 0


def test_a_pipeline_learns_the_order_of_its_stages():
    """Those called next after each; a later request may change it."""
    route = Route()
    route.learn(["a", "b", "c", "d"])
    assert (route.after("a"), route.after("d"), route.after("x")) == (("b", "c"), (), ())
    route.learn(["a", "c"])
    assert route.after("a") == ("c",)


async def test_a_process_that_ends_gives_its_leases_back(loader):
    """Its connection breaks, and others are served."""
    async with owned(loader, 10 + 55) as (_, link, tasks):
        async with link.held("pose"):
            other = OwnerLink(link._address)
            linking = asyncio.create_task(other.run())
            await other.linked()
            waiting = asyncio.create_task(stages_on(other, loader)("denoise", {}))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            tasks[1].cancel()
            assert await waiting == "denoise_z_image"
        linking.cancel()


async def test_a_killed_load_is_done_again_under_another_name(loader):
    """Triton waits for the first for ever; callers wait once more and get their answer."""
    async with owned(loader, 10 + 55) as (owner, link, _):
        await ready(owner)
        loader.killed = 1
        assert await stages_on(link, loader)("denoise", {}) == "denoise_z_image_again_1"
        assert owner.state()["models"][1]["name"] == "denoise_z_image_again_1"
        assert owner.state()["lost"] == ["denoise_z_image"]


async def test_a_load_that_fails_names_the_model(loader):
    """After the second failure the caller hears of it; after the pause it is tried again."""
    async with owned(loader, 10 + 55, backoff_s=(0.3,)) as (owner, link, _):
        await ready(owner)
        loader.troubles = [Unavailable("no such file")] * 2
        with pytest.raises(Unavailable, match=r"model vae could not be loaded \(no such file\)"):
            await stages_on(link, loader)("vae", {})
        with pytest.raises(Unavailable, match="next try in 1 s"):
            await stages_on(link, loader)("vae", {})
        await asyncio.sleep(0.4)
        assert await stages_on(link, loader)("vae", {}) == "vae"


async def test_a_refusal_crosses_the_socket_as_busy(loader):
    """With the seconds after which to try again."""
    async with owned(loader, 10 + 55, wait_s=0.3) as (_, link, _), link.held("pose"):
        with pytest.raises(Busy) as refused:
            await stages_on(link, loader)("denoise", {})
        assert refused.value.retry_after_s == 1


async def test_an_owner_that_is_started_again_takes_over_what_is_loaded(loader):
    """Calls under way stay pinned, and later calls are served by the new owner."""
    address = f"\0vitrine-test-{os.getpid()}-{uuid.uuid4().hex}"
    async with owned(loader, 10 + 55, address) as (owner, link, tasks):
        await ready(owner)
        async with link.held("pose"):
            tasks[0].cancel()
            await asyncio.sleep(0.05)
            link._writer.close()  # the end of the owner's process does this
            async with owned(loader, 10 + 55, address) as (second, _, _):
                await asyncio.wait_for(link.linked(), 5)
                await asyncio.sleep(0.3)
                assert second.residency.models["pose"].leases == 1
                assert "+pose" not in loader.log[1:]


async def test_memory_that_becomes_short_pins_what_runs(loader):
    """A call that began without a lease is not evicted when leases become needed."""
    async with owned(loader, 10 + 110) as (owner, link, _):
        await ready(owner)
        await asyncio.sleep(0.05)
        async with link.held("vae"):
            owner.residency.measured(60, {})
            owner._step()
            await asyncio.sleep(0.3)
            assert "-vae" not in loader.log
            assert owner.residency.models["vae"].leases == 1
        await asyncio.sleep(0.05)
        assert owner.residency.models["vae"].leases == 0


async def test_a_cancelled_wait_leaves_nothing(loader):
    """The caller has gone; the model that it waited for is loaded for nobody else."""
    async with owned(loader, 10 + 55) as (owner, link, _):
        async with link.held("pose"):
            waiting = asyncio.create_task(stages_on(link, loader)("denoise", {}))
            await asyncio.sleep(0.02)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.sleep(0.05)
            assert owner.residency.waiting == []
        await asyncio.sleep(0.05)
        assert all(one.leases == 0 for one in owner.residency.models.values())


async def test_a_device_is_measured_by_what_each_load_adds(loader):
    """No process says what its model takes; loads come one by one."""
    loader.by_model = False
    estimates = dict.fromkeys(SIZES, 35)
    async with owned(loader, 10 + 120, estimates=estimates, loads_at_once=1) as (owner, _, _):
        await ready(owner)
        assert {one.name: one.bytes for one in owner.residency.models.values()} == SIZES
        await asyncio.sleep(0.3)
        assert owner.residency.fixed_bytes == 10
