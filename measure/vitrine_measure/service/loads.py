"""Parts of the bench that put open-loop load on the server: rising load, steady load and overload."""

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
from vitrine_measure.service.bench import TIMEOUT_S, Bench, median, p99
from vitrine_measure.service.report import LoadPoint

PEOPLE, GARMENTS = 8, 24  # all fit in the caches, so no request of the mix is cold
SATURATING = 16  # concurrent requests while capacity is measured
SHARES = (0.2, 0.4, 0.55, 0.7, 0.85, 0.95)  # offered load of each point of the curve, of capacity
STEADY, OVERLOAD = 0.7, 3.0  # offered load of the other parts, of capacity
BUSY = "busy"
AFTERWARDS_S = 5.0  # time after the last offer in which the throughput is measured again


async def curve(bench: Bench) -> None:
    """Measure latency at growing shares of capacity; adds the points of the plot."""
    mix = await _mix(bench)
    capacity = await _capacity(bench, mix)
    seconds = bench.options.seconds(30, 4)
    with bench.bar(len(SHARES), "latency by offered load") as bar:
        for index, share in enumerate(SHARES):
            due = poisson(share * capacity, seconds, np.random.default_rng(index))
            found = await offer(due, _send(bench, mix))
            done = seconds_of(found)
            offered = len(due) / seconds
            bench.report.load.append(LoadPoint(offered, rate_of(found), median(done), p99(done)))
            await bench.wait_until_idle()
            bar.update()


async def steady(bench: Bench) -> None:
    """Measure latency with Poisson arrivals at 70 % of capacity."""
    mix = await _mix(bench)
    capacity, unloaded = await _capacity(bench, mix), await _unloaded(bench, mix)
    seconds = bench.options.seconds(300, 6)
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
    """Offer three times the capacity.

    Refusals should be immediate, every accepted request answered in time, and memory constant.
    """
    mix = await _mix(bench)
    capacity, unloaded = await _capacity(bench, mix), median(await _unloaded(bench, mix))
    await _offer(bench, mix, bench.options.seconds(15, 3), OVERLOAD * capacity)
    seconds = bench.options.seconds(120, 15)
    before = await asyncio.to_thread(read, bench.server)
    found, drained_s = await _offer(bench, mix, seconds, OVERLOAD * capacity)
    single = median(seconds_of(await closed(3, 1, _send(bench, mix))))
    again = rate_of(await closed(bench.options.count(48, 8), SATURATING, _send(bench, mix)))
    after = await asyncio.to_thread(read, bench.server)
    _report_overload(bench, found, capacity, unloaded)
    add = bench.report.add
    grown = after.memory_bytes / before.memory_bytes - 1
    add("overload", "memory, before", before.memory_bytes / MIB, "MiB")
    add("overload", "memory grew by", grown * 100, "%", at_most=5.0)
    add("overload", "backlog done after", drained_s, "s")
    add(
        "overload", "speed in the 5 s after the end / capacity", _speed_at_end(found, seconds) / capacity, "×"
    )
    add("overload", "one request after the backlog / unloaded", single / unloaded, "×")
    add("overload", "speed of the next pictures / capacity", again / capacity, "×", at_least=0.9)


def _report_overload(bench: Bench, found: Sequence[Outcome], capacity: float, unloaded: float) -> None:
    places = stage("try_on").in_flight + stage("try_on").queue.size  # requests accepted at most
    expected = places / capacity + unloaded
    refused, done, add = seconds_of(found, BUSY), seconds_of(found), bench.report.add
    ends = words(found)
    add("overload", "offered", len(found) / max(one.due_s for one in found), "requests/s")
    add("overload", "pictures", len(done), "requests")
    add("overload", "refused as busy", len(refused), "requests")
    add("overload", "refusal, median", median(refused) * 1e3, "ms", at_most=50.0)
    add("overload", "refusal, p99", p99(refused) * 1e3, "ms")
    other = len(found) - ends.get(DONE, 0) - ends.get(BUSY, 0)
    add("overload", "accepted requests without a picture", other, "requests", at_most=0)
    add("overload", f"expected: {places} places / capacity + unloaded", expected, "s")
    add("overload", "accepted, p99", p99(done), "s")
    add("overload", "accepted, p99 / expected", p99(done) / expected, "×", at_most=2.0)


async def _offer(bench: Bench, mix: Mix, seconds: float, rate: float) -> tuple[list[Outcome], float]:
    """Offer `rate` requests per second; return all outcomes, and seconds until the backlog was done."""
    due = poisson(rate, seconds, np.random.default_rng(3))
    with bench.bar(len(due), "three times the capacity") as bar:
        found = await offer(due, _send(bench, mix), bar.update)
    await bench.wait_until_idle()
    return found, max(one.ended_s for one in found) - seconds


def _speed_at_end(found: Sequence[Outcome], end: float) -> float:
    """Return pictures per second in the first AFTERWARDS_S after the last offer."""
    ended = [one.ended_s for one in found if one.word == DONE and end < one.ended_s <= end + AFTERWARDS_S]
    return len(ended) / min(AFTERWARDS_S, max([at - end for at in ended], default=AFTERWARDS_S))


async def _mix(bench: Bench) -> Mix:
    """Return a mix of popular and rare people and garments, all of them in the caches."""
    world = bench.world(bench.options.count(PEOPLE, 3), bench.options.count(GARMENTS, 4))
    await bench.warm(world)
    return Mix(world, bench.options.steps)


async def _capacity(bench: Bench, mix: Mix) -> float:
    """Measure the throughput in pictures per second with SATURATING concurrent requests."""
    count = bench.options.count(120, 16)
    start = time.perf_counter()
    rate = rate_of(await closed(count, SATURATING, _send(bench, mix)))
    assert rate, f"no picture within {time.perf_counter() - start:.0f} s"
    await bench.wait_until_idle()
    return rate


async def _unloaded(bench: Bench, mix: Mix) -> np.ndarray:
    """Measure the latencies, in seconds, of requests that are sent one after the other."""
    return seconds_of(await closed(bench.options.count(30, 3), 1, _send(bench, mix)))


def _send(bench: Bench, mix: Mix) -> Send:
    """Return a function that sends the mix's next request as tensors, without decoding the response."""

    async def send(index: int) -> None:
        await bench.vitrine.infer("try_on", mix.inputs(), timeout_s=TIMEOUT_S)

    return send
