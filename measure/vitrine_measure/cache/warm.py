"""Measures, on a real server, what a try-on with warm caches spends outside denoising and decoding."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from vitrine.answers import TryOn
from vitrine.client import Vitrine
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton

from vitrine_measure.cache.rows import Row

ROUNDS, WARM_UP = 15, 2
STEPS = 20  # the steps of the old service's second version, and the paper-doll checkpoint's default
LIMIT = 0.02
NETWORKS = ("denoise", "vae_decoder")


def outside(result: TryOn) -> float:
    """Return the share of a try-on's time outside denoising and decoding."""
    return 1 - sum(result.timings[name] for name in NETWORKS) / result.timings["total"]


def warm_rows(repository: Path, picture: bytes) -> list[Row]:
    """Measure requests by ids, and by pictures, which must also be decoded and digested."""
    with (
        EmbeddedTriton(repository, ports=ANY_PORTS) as server,
        Vitrine(server.grpc, timeout_s=300) as ask,
    ):
        ask.prepare_person(person=picture, person_id="bench")
        ask.prepare_garment(garment=picture, garment_id="bench")
        by_ids = _shares(lambda n: ask.try_on(person_id="bench", garment_id="bench", seed=n, steps=STEPS))
        by_pictures = _shares(lambda n: ask.try_on(person=picture, garment=picture, seed=n, steps=STEPS))
    return [
        Row(f"warm try-on by ids, {STEPS} steps: outside", "of total", *by_ids, limit=LIMIT),
        Row(f"warm try-on by pictures, {STEPS} steps: outside", "of total", *by_pictures),
    ]


def _shares(try_on: Callable[[int], TryOn]) -> tuple[float, float, float]:
    """Return best, median and worst of try-ons that found everything in memory."""
    results = [try_on(number) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
    assert all(set(result.sources.values()) == {"memory"} for result in results), "everything is warm"
    shares = [outside(result) for result in results]
    return min(shares), statistics.median(shares), max(shares)
