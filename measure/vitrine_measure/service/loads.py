"""Parts that load the server from outside: latency by offered load, a steady load, far too much."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from vitrine_orchestrator.stages import stage

from vitrine_measure.load.arrivals import poisson
from vitrine_measure.load.driver import DONE, Outcome, Send, closed, offer, rate_of, seconds_of, words
from vitrine_measure.load.watch import MIB, read
from vitrine_measure.load.world import Mix
from vitrine_measure.service.parts import TIMEOUT_S, Bench, median, p99
from vitrine_measure.service.report import LoadPoint

PEOPLE, GARMENTS = 8, 24  # all fit the caches: the mix is warm
SATURATING = 16  # requests under way while capacity is measured
SHARES = (0.2, 0.4, 0.55, 0.7, 0.85, 0.95)
STEADY, TOO_MUCH = 0.7, 3.0  # of capacity
BUSY = "busy"
AFTERWARDS_S = 5.0


async def curve(bench: Bench) -> None:
    """Latency at growing shares of capacity; the plot's points."""
    mix = await _mix(bench)
    capacity = await _capacity(bench, mix)
    seconds = bench.options.of(30, 4)
    with bench.bar(len(SHARES), "latency by offered load") as bar:
        for index, share in enumerate(SHARES):
            due = poisson(share * capacity, seconds, np.random.default_rng(index))
            found = await offer(due, _send(bench, mix))
            done = seconds_of(found)
            offered = len(due) / seconds
            bench.report.load.append(LoadPoint(offered, rate_of(found), median(done), p99(done)))
            await bench.quiet()
            bar.update()


async def steady(bench: Bench) -> None:
    """Poisson arrivals at 70 % of capacity."""
    mix = await _mix(bench)
    capacity, unloaded = await _capacity(bench, mix), await _unloaded(bench, mix)
    seconds = bench.options.of(300, 6)
    due = poisson(STEADY * capacity, seconds, np.random.default_rng(70))
    with bench.bar(len(due), "70 % of capacity") as bar:
        found = await offer(due, _send(bench, mix), bar.update)
    done, add = seconds_of(found), bench.report.add
    add("steady", "capacity, 16 at once", capacity, "pictures/s")
    add("steady", "unloaded request, median", median(unloaded) * 1e3, "ms")
    add("steady", f"offered for {seconds:.0f} s", len(due) / seconds, "requests/s")
    add("steady", "median latency", median(done) * 1e3, "ms")
    add("steady", "p99 latency", p99(done) * 1e3, "ms")
    add("steady", "p99 / unloaded", p99(done) / median(unloaded), "×", at_most=3.0)
    add("steady", "requests without a picture", len(found) - len(done), "requests", at_most=0)


async def overload(bench: Bench) -> None:
    """Three times the capacity: immediate refusals, every accepted request answered in time, memory flat."""
    mix = await _mix(bench)
    capacity, unloaded = await _capacity(bench, mix), median(await _unloaded(bench, mix))
    await _full(bench, mix, bench.options.of(15, 3), TOO_MUCH * capacity)
    seconds = bench.options.of(120, 15)
    before = await asyncio.to_thread(read, bench.server)
    found, drained = await _full(bench, mix, seconds, TOO_MUCH * capacity)
    single = median(seconds_of(await closed(3, 1, _send(bench, mix))))
    again = rate_of(await closed(bench.options.count(48, 8), SATURATING, _send(bench, mix)))
    after = await asyncio.to_thread(read, bench.server)
    _judge_overload(bench, found, capacity, unloaded)
    add = bench.report.add
    grown = after.memory_bytes / before.memory_bytes - 1
    add("overload", "memory, before", before.memory_bytes / MIB, "MiB")
    add("overload", "memory grew by", grown * 100, "%", at_most=5.0)
    add("overload", "backlog done after", drained, "s")
    add(
        "overload", "speed in the 5 s after the end / capacity", _speed_at_end(found, seconds) / capacity, "×"
    )
    add("overload", "one request after the backlog / unloaded", single / unloaded, "×")
    add("overload", "speed of the next pictures / capacity", again / capacity, "×", at_least=0.9)


def _judge_overload(bench: Bench, found: Sequence[Outcome], capacity: float, unloaded: float) -> None:
    places = stage("try_on").in_flight + stage("try_on").queue.size  # what it takes before it refuses
    promise = places / capacity + unloaded
    refused, done, add = seconds_of(found, BUSY), seconds_of(found), bench.report.add
    ends = words(found)
    add("overload", "offered", len(found) / max(one.due_s for one in found), "requests/s")
    add("overload", "pictures", len(done), "requests")
    add("overload", "refused as busy", len(refused), "requests")
    add("overload", "refusal, median", median(refused) * 1e3, "ms", at_most=50.0)
    add("overload", "refusal, p99", p99(refused) * 1e3, "ms")
    other = len(found) - ends.get(DONE, 0) - ends.get(BUSY, 0)
    add("overload", "accepted requests without a picture", other, "requests", at_most=0)
    add("overload", f"the promise: {places} places / capacity + unloaded", promise, "s")
    add("overload", "accepted, p99", p99(done), "s")
    add("overload", "accepted, p99 / the promise", p99(done) / promise, "×", at_most=2.0)


async def _full(bench: Bench, mix: Mix, seconds: float, rate: float) -> tuple[list[Outcome], float]:
    """Offer `rate` for so long; what became of all, and the seconds until the backlog was done."""
    due = poisson(rate, seconds, np.random.default_rng(3))
    with bench.bar(len(due), "three times the capacity") as bar:
        found = await offer(due, _send(bench, mix), bar.update)
    await bench.quiet()
    return found, max(one.ended_s for one in found) - seconds


def _speed_at_end(found: Sequence[Outcome], end: float) -> float:
    """Pictures a second in the first seconds after the last offer."""
    ended = [one.ended_s for one in found if one.word == DONE and end < one.ended_s <= end + AFTERWARDS_S]
    return len(ended) / min(AFTERWARDS_S, max([at - end for at in ended], default=AFTERWARDS_S))


async def _mix(bench: Bench) -> Mix:
    """Popular and rare people and garments, all of them prepared."""
    world = bench.world(bench.options.count(PEOPLE, 3), bench.options.count(GARMENTS, 4))
    await bench.warm(world)
    return Mix(world, bench.options.steps)


async def _capacity(bench: Bench, mix: Mix) -> float:
    """Pictures a second with SATURATING requests under way."""
    count = bench.options.count(120, 16)
    start = time.perf_counter()
    rate = rate_of(await closed(count, SATURATING, _send(bench, mix)))
    assert rate, f"no picture within {time.perf_counter() - start:.0f} s"
    await bench.quiet()
    return rate


async def _unloaded(bench: Bench, mix: Mix) -> np.ndarray:
    """Seconds of requests one after the other."""
    return seconds_of(await closed(bench.options.count(30, 3), 1, _send(bench, mix)))


def _send(bench: Bench, mix: Mix) -> Send:
    """One request of the mix as tensors: a load's clients need not decode pictures."""

    async def send(index: int) -> None:
        await bench.vitrine.infer("try_on", mix.inputs(), timeout_s=TIMEOUT_S)

    return send
