"""The part of the bench with pictures from prompts: eight mixed ones at once, beside one after the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable
from typing import cast

import numpy as np
from vitrine.errors import Unavailable
from vitrine.inputs import PictureOptions
from vitrine_orchestrator.manifest import read_manifests
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_world import shop

from vitrine_measure.load.driver import closed, full_rate
from vitrine_measure.load.watch import scrape
from vitrine_measure.service.bench import Bench, median
from vitrine_measure.service.comparisons import AT_ONCE

SIZES = ((128, 128), (96, 160), (160, 96), (128, 96))
"""Width and height of the pictures, mixed in the calls."""
EACH = 6
"""Pictures of every client in one measurement."""
SEEN = 31
"""The seed of the prompts."""


async def ads(bench: Bench) -> None:
    """Measure mixed pictures at once beside the same one by one.

    Raises Unavailable if the repository holds no release of Z-Image.
    """
    if FAMILY not in read_manifests(bench.options.repository / "text_to_image" / "1"):
        raise Unavailable("the repository holds no release of Z-Image: run make shop")
    requests = [_request(number) for number in range(AT_ONCE)]
    alone = {number: await _picture(bench, one) for number, one in enumerate(requests)}
    before = await _rows_by_call(bench)
    worst = await _together(bench, requests, alone)
    rows = await _rows_by_call(bench) - before
    calls = sum(rows.values())
    add = bench.report.add
    add("ads", "rows of a call with 8 mixed pictures at once, mean", rows_of(rows) / calls, "rows")
    add("ads", "largest difference of a picture from the one made alone", worst, "levels of 255")


def rows_of(calls: Counter[int]) -> int:
    """Return the rows of all calls, of a count of calls by their rows."""
    return sum(rows * count for rows, count in calls.items())


async def _together(bench: Bench, requests: list[PictureOptions], alone: dict[int, np.ndarray]) -> float:
    """Report both rates; return the largest difference of a picture from the one made alone, in levels."""
    differences: list[int] = []

    async def send(index: int) -> None:
        number = index % len(requests)
        made = await _picture(bench, requests[number])
        differences.append(int(np.abs(made.astype(int) - alone[number]).max()))

    singles, crowds, shares = [], [], []
    for _ in range(bench.options.count(3, 1)):
        count = bench.options.count(EACH, 3) * len(requests)
        singles.append(await _seconds(closed(bench.options.count(16, 4), 1, send)))
        crowds.append(full_rate(await closed(count, AT_ONCE, send), AT_ONCE))
        shares.append(crowds[-1] * singles[-1] / bench.options.count(16, 4))
    add = bench.report.add
    add("ads", "one picture of mixed sizes", median(singles) / bench.options.count(16, 4), "s")
    add("ads", "8 of mixed sizes and prompts at once", median(crowds), "pictures/s")
    add("ads", "8 at once / one after the other", median(shares), "×")
    return float(max(differences))


def _request(number: int) -> PictureOptions:
    width, height = SIZES[number % len(SIZES)]
    prompt = shop.prompt(shop.sample(SEEN, number).facts, shop.LANGUAGES[number % 2])
    return cast(PictureOptions, {"prompt": prompt, "seed": number, "width": width, "height": height})


async def _picture(bench: Bench, request: PictureOptions) -> np.ndarray:
    return np.asarray((await bench.vitrine.text_to_image(**request)).image.convert("RGB"))


async def _seconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _rows_by_call(bench: Bench) -> Counter[int]:
    """Return the denoiser's calls so far, by the rows in them."""
    await asyncio.sleep(0.5)
    found: Counter[int] = Counter()
    for name, value in (await asyncio.to_thread(scrape, bench.server.metrics)).items():
        if name.startswith("vitrine_denoise_calls_total") and (rows := re.search(r'rows="(\d+)"', name)):
            found[int(rows[1])] += int(value)
    return found
