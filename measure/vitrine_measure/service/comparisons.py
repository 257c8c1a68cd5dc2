"""Parts of the bench that compare the service with the engine alone and with the old service.

They measure one request, eight concurrent requests, and one person in ten garments.
"""

from __future__ import annotations

import time

import numpy as np
from vitrine.inputs import TryOnOptions

from vitrine_measure.load.driver import Outcome, closed, full_rate, rate_of
from vitrine_measure.load.watch import scrape, total
from vitrine_measure.service.bench import Bench, median
from vitrine_measure.service.floor import DECODED, ROWS, SERVED, Floor, Setting

AT_ONCE = 8
WARDROBE = 10
SETTINGS = (SERVED, Setting(0), Setting(0, spinning=True), Setting(1))
FLOOR_S = 3.0  # duration of each measurement of the engine alone


async def engine(bench: Bench) -> None:
    """Measure the engine alone: milliseconds per row and step, by rows in a call, threads and spinning."""
    rounds, steps = bench.options.count(5, 1), bench.options.count(5, 2)
    for setting in SETTINGS:
        floor = bench.floor if setting == SERVED else Floor(bench.options.repository, setting)
        how = setting.description
        for rows in ROWS:
            spent = median([floor.steps(rows, steps) for _ in range(rounds)])
            bench.report.add("engine", f"a row's step, {rows} rows, {how}", spent / steps / rows * 1e3, "ms")
        for rows in DECODED:
            spent = median([floor.decode(rows) for _ in range(rounds)])
            bench.report.add("engine", f"a row's decoding, {rows} rows, {how}", spent / rows * 1e3, "ms")


async def alone(bench: Bench) -> None:
    """Measure one warm request, compared with denoising and decoding alone, and one cold request."""
    steps, world = bench.options.steps, bench.world(4, 4)
    colds = [await bench.timed(world.options(index, index, steps)) for index in range(4)]
    walls, engines, stages = [], [], []
    for round_ in range(bench.options.count(15, 2)):
        engines.append(bench.floor.one(steps))
        seconds, answer = await bench.timed(world.options(round_ % 4, round_ % 4, steps))
        walls.append(seconds)
        stages.append(answer.timings)
    add = bench.report.add
    add("alone", "engine time: denoise + decode", median(engines) * 1e3, "ms")
    add("alone", "one warm request", median(walls) * 1e3, "ms")
    ratios = [wall / engine for wall, engine in zip(walls, engines, strict=True)]
    add("alone", "warm request / engine time", median(ratios), "×", at_most=1.15)
    add("alone", "one cold request", median([seconds for seconds, _ in colds]) * 1e3, "ms")
    bench.report.stages["warm"] = _mean_stages([dict(one) for one in stages])
    bench.report.stages["cold"] = _mean_stages([dict(answer.timings) for _, answer in colds])


async def together(bench: Bench) -> None:
    """Measure the throughput of eight concurrent requests, warm and cold, and of what it is compared with."""
    steps, rounds = bench.options.steps, bench.options.count(3, 1)
    world = bench.world(AT_ONCE, AT_ONCE)
    await bench.warm(world)
    requests = [world.options(index, index, steps) for index in range(AT_ONCE)]
    floors, warms, wholes, colds, olds = [], [], [], [], []
    seconds = bench.options.seconds(FLOOR_S, 0.5)
    with bench.bar(rounds * 4, "eight at once") as bar:
        for _ in range(rounds):
            before = bench.floor.rate(steps, seconds)
            bar.update()
            outcomes = await send_all(bench, requests, bench.options.count(16, 3))
            warms.append(full_rate(outcomes, AT_ONCE))
            wholes.append(rate_of(outcomes))
            floors.append((before + bench.floor.rate(steps, seconds)) / 2)
            bar.update()
            cold = bench.options.count(4 * AT_ONCE, 3 * AT_ONCE)
            fresh = bench.world(cold, cold)
            once = [fresh.options(i, i, steps) for i in range(cold)]
            colds.append(full_rate(await send_all(bench, once, 1), AT_ONCE))
            bar.update()
            olds.append(_old_rate(bench, requests[: bench.options.count(4, 1)]))
            bar.update()
    _compare(bench, floors, warms, wholes, colds, olds)


def _compare(
    bench: Bench,
    floors: list[float],
    warms: list[float],
    wholes: list[float],
    colds: list[float],
    olds: list[float],
) -> None:
    add = bench.report.add
    add("together", "floor: engine and decoder alone", median(floors), "pictures/s")
    add("together", "8 warm at once", median(warms), "pictures/s")
    add("together", "8 cold at once", median(colds), "pictures/s")
    add("together", "the old service", median(olds), "pictures/s")
    for name, one, other, bound in (
        ("8 warm at once / floor", warms, floors, 0.9),
        ("8 warm / floor, from the first sent to the last answered", wholes, floors, None),
        ("8 warm at once / the old service", warms, olds, 4.0),
        ("8 cold at once / the old service", colds, olds, 2.5),
    ):
        ratios = [a / b for a, b in zip(one, other, strict=True)]
        add("together", name, median(ratios), "×", at_least=bound)


async def wardrobe(bench: Bench) -> None:
    """Measure one person in ten new garments, and count the garment rows for one garment on ten people."""
    steps, count = bench.options.steps, bench.options.count(WARDROBE, 3)
    ours, theirs = [], []
    for _ in range(bench.options.count(3, 1)):
        world = bench.world(1, count)
        requests = [world.options(0, index, steps) for index in range(count)]
        ours.append(count / await _rate(bench, requests, 1))
        theirs.append(count / _old_rate(bench, requests))
    add = bench.report.add
    add("wardrobe", f"one person, {count} garments, all new", median(ours), "s")
    add("wardrobe", f"the old service, the same {count}", median(theirs), "s")
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    add("wardrobe", "ours / the old service's", median(ratios), "×", at_most=0.35)
    crowd = bench.world(count, 1)
    before = _garment_rows(bench)
    await _rate(bench, [crowd.options(index, 0, steps) for index in range(count)], 1)
    await bench.wait_until_idle()
    rows = _garment_rows(bench) - before
    add("wardrobe", f"garment rows for {count} people in one garment", rows, "rows", at_most=steps)


async def _rate(bench: Bench, requests: list[TryOnOptions], times: int) -> float:
    """Return pictures per second, from the first request sent to the last response."""
    return rate_of(await send_all(bench, requests, times))


async def send_all(bench: Bench, requests: list[TryOnOptions], times: int) -> list[Outcome]:
    """Send each request `times` times, AT_ONCE of them concurrently; AssertionError if one fails."""

    async def send(index: int) -> None:
        await bench.try_on({**requests[index % len(requests)], "seed": index})

    outcomes = await closed(times * len(requests), AT_ONCE, send)
    lost = [one.word for one in outcomes if one.word != "done"]
    assert not lost, f"accepted requests ended with {lost}"
    return outcomes


def _old_rate(bench: Bench, requests: list[TryOnOptions]) -> float:
    """Return pictures per second of the old service, which computes one request after the other."""
    bench.old({**requests[0], "steps": 1})  # a first call is slower, and is not measured
    start = time.perf_counter()
    for one in requests:
        bench.old(one)
    seconds = time.perf_counter() - start
    bench.report.stages["the old service"] = {"all": seconds / len(requests)}
    return len(requests) / seconds


def _garment_rows(bench: Bench) -> float:
    time.sleep(0.5)  # the denoiser publishes its counters at intervals
    return total(scrape(bench.server.metrics), "vitrine_garment_rows_total")


def _mean_stages(timings: list[dict[str, float]]) -> dict[str, float]:
    names = {name for one in timings for name in one}
    return {name: float(np.mean([one.get(name, 0.0) for one in timings])) for name in sorted(names)}
