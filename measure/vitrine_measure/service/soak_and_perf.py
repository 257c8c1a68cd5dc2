"""Parts of the bench that run other tools: the soak with its faulty clients, and NVIDIA's perf_analyzer."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from vitrine_measure.load.driver import DONE
from vitrine_measure.load.soak import SoakPlan, soak
from vitrine_measure.load.watch import MIB
from vitrine_measure.perf.measures import read_profile
from vitrine_measure.perf.requests import write_requests
from vitrine_measure.perf.tool import find_tool
from vitrine_measure.service.bench import Bench

PEOPLE, GARMENTS = 6, 12
RATE = 2.0  # clients of the soak, or requests of perf_analyzer, per second


async def mixed(bench: Bench) -> None:
    """Run clients of all kinds for two minutes, and compare the server's resources before and after."""
    seconds = bench.options.seconds(120, 8)
    plan = SoakPlan(seconds, RATE, bench.options.steps, warm_up_s=bench.options.seconds(45, 5))
    with bench.bar((seconds + plan.warm_up_s) * RATE, "faulty clients") as bar:
        soaked = await soak(bench.server, bench.world(PEOPLE, GARMENTS), plan, bar.update)
    bench.report.memory = [(at, held.memory_bytes / MIB) for at, held in soaked.times]
    add, before, after = bench.report.add, soaked.before, soaked.after
    add("mixed", "clients", sum(soaked.ends.values()), "clients")
    add("mixed", "pictures", sum(n for (_, word), n in soaked.ends.items() if word == DONE), "requests")
    grown = after.memory_bytes / before.memory_bytes - 1
    add("mixed", "memory grew by", grown * 100, "%", at_most=5.0)
    for name in ("requests", "threads", "files", "shared_blocks"):
        held = getattr(before, name), getattr(after, name)
        add("mixed", f"{name.replace('_', ' ')} held, from {held[0]} to", held[1], "")
    faults = soaked.faults()
    add("mixed", "faults", len(faults), "", at_most=0)
    for fault in faults:
        bench.bar(0, "").write(f"mixed: {fault}")


async def perf(bench: Bench) -> None:
    """Measure latency with perf_analyzer and Poisson arrivals, as a check by a foreign tool."""
    tool = find_tool()
    count = bench.options.count(60, 4)
    with tempfile.TemporaryDirectory(prefix="vitrine-perf-") as made:
        folder = Path(made)
        write_requests(folder / "requests.json", count, 4, bench.options.steps)
        profile = folder / "profile.json"
        tool.run(
            *("-m", "try_on", "-i", "grpc", "-u", bench.server.grpc),
            *("--input-data", folder / "requests.json", "--profile-export-file", profile),
            *("--request-count", str(count), "--request-rate-range", str(RATE)),
            *("--request-distribution", "poisson"),
        )
        measure = read_profile(profile, "try_on grpc", 0, streamed=False)
    for name, share in (("median", 50), ("p90", 90), ("p99", 99)):
        seconds = float(np.percentile(measure.last, share))
        bench.report.add("perf", f"perf_analyzer, Poisson {RATE:g}/s: {name}", seconds * 1e3, "ms")
