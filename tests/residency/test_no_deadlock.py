"""Pipelines that do not fit together always end: two with halves, and random ones."""

import heapq
import random
from itertools import count

import pytest
from vitrine.errors import Busy
from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Limits, Resident, State


class World:
    """Runs pipelines on a residency by a clock of events: loads, unloads and calls take their time.

    At every event it checks what must always hold.
    """

    def __init__(self, models, limits, failing=0.0, seed=0):
        self.now, self.numbers, self.events = 0.0, count(), []
        self.books = Residency(models, limits, lambda: self.now)
        self.draw, self.failing = random.Random(seed), failing
        self.route, self.ended, self.refused = {}, [], []
        self.done = {}  # lease → when its call ends

    def after(self, seconds, act, *arguments):
        """Do something later."""
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), act, arguments))

    def begin(self, name, stages, call_s):
        """Start a pipeline that calls its stages one after the other."""
        self.route[name] = (list(stages), call_s)
        self.next_stage(name)

    def next_stage(self, name):
        """Ask for the next stage's lease, or end."""
        stages, _ = self.route[name]
        if not stages:
            self.ended.append(name)
            return
        key = (name, next(self.numbers))
        self.books.ask(key, stages.pop(0))
        self.books.announce(stages[:1])

    def called(self, key):
        """A call has ended."""
        self.books.give_back(key)
        self.next_stage(key[0])

    def load_ended(self, name):
        """A load has ended, well or not."""
        if self.draw.random() < self.failing:
            self.books.load_failed(name, "drawn")
        else:
            self.books.loaded(name, seconds=self.books.models[name].load_s)

    def step(self):
        """Do what is decided, and check."""
        decisions = self.books.decide()
        for key in decisions.granted:
            assert self.books.models[self.books._leases[key].model.name].state is State.IN
            self.after(self.route[key[0]][1], self.called, key)
        for key, error in decisions.refused:
            self.refused.append((key[0], error))
        for name in decisions.unload:
            assert self.books.models[name].leases == 0, "a model in use was evicted"
            self.after(0.1, self.books.unloaded, name)
        for name in decisions.rest:
            one = self.books.models[name]
            assert one.leases == 0, "a model in use was told to rest"
            self.after(0.01, self.books.rested, name, one.rest_bytes)
        for name in decisions.load:
            self.after(self.books.models[name].load_s, self.load_ended, name)
        assert self.books.taken_bytes <= self.books.room_bytes
        return bool(decisions.granted)

    def run(self, until):
        """Run all events until then; ticks come every quarter of a second, as the owner's do."""
        while self.now < until:
            while self.step():
                pass
            tick = self.now + 0.25
            if self.events and self.events[0][0] <= tick:
                self.now, _, act, arguments = heapq.heappop(self.events)
                act(*arguments)
            else:
                self.now = tick
            if not self.events and not self.books.waiting:
                return


def test_two_pipelines_of_two_halves_each_both_end():
    """Each needs two models of half the budget; none of the four fits beside the three others."""
    models = [Resident(name, 50, load_s=1.0) for name in ("a1", "a2", "b1", "b2")]
    world = World(models, Limits(100, keep_s=0.0, wait_s=1000.0))
    for number in range(20):
        world.begin(f"a{number}", ["a1", "a2"] * 3, call_s=0.3)
        world.begin(f"b{number}", ["b1", "b2"] * 3, call_s=0.3)
    world.run(until=1000)
    assert len(world.ended) == 40
    assert world.refused == []


def test_a_pipeline_larger_than_the_budget_passes_through_it():
    """Stage by stage, with only one resident at a time."""
    models = [Resident(str(number), 80, load_s=0.5) for number in range(5)]
    world = World(models, Limits(100, wait_s=1000.0))
    world.begin("all", "01234", call_s=1.0)
    world.run(until=100)
    assert world.ended == ["all"]


@pytest.mark.parametrize("seed", range(25))
def test_random_pipelines_under_random_budgets_all_end(seed):
    """No request is lost: each ends or is refused, and one that can fit is refused only as busy or broken."""
    draw = random.Random(seed)
    models = [Resident(f"m{n}", draw.randint(5, 60), load_s=draw.uniform(0.2, 3)) for n in range(8)]
    for one in models:
        one.rest_bytes = draw.choice([None, draw.randint(1, one.bytes)])
    limits = Limits(
        draw.randint(60, 200), wait_s=draw.choice([8.0, 500.0]), loads_at_once=draw.choice([1, 2])
    )
    world = World(models, limits, failing=draw.choice([0.0, 0.2]), seed=seed)
    for number in range(40):
        stages = draw.choices([one.name for one in models], k=draw.randint(1, 5))
        world.after(draw.uniform(0, 60), world.begin, f"p{number}", stages, draw.uniform(0.05, 2))
    world.run(until=2000)
    lost = {f"p{number}" for number in range(40)} - set(world.ended) - {name for name, _ in world.refused}
    assert not lost
    assert world.books.waiting == []
    assert all(one.leases == 0 for one in models)
    if limits.wait_s == 500.0 and not world.failing:
        assert [error for _, error in world.refused if isinstance(error, Busy)] == []
