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
from vitrine_orchestrator.pipeline.request_context import text_array
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.facts import read_facts
from vitrine_world import shop

from vitrine_measure.load.driver import closed, full_rate
from vitrine_measure.load.watch import scrape
from vitrine_measure.service.ads_floor import PictureFloor
from vitrine_measure.service.bench import Bench, median
from vitrine_measure.service.comparisons import AT_ONCE, FLOOR_S

SIZES = ((128, 128), (96, 160), (160, 96), (128, 96))
"""Width and height of the pictures, mixed in the calls."""
STYLES = (None, "line", "night")
"""Adapters of the pictures, where the bench has a registry of them."""
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
    requests = [_request(number, bench.options.loras is not None) for number in range(AT_ONCE)]
    alone = {number: await _picture(bench, one) for number, one in enumerate(requests)}
    worst, rows = await _together(bench, requests, alone)
    calls = sum(rows.values())
    add = bench.report.add
    add("ads", "rows of a call with 8 mixed pictures at once, mean", rows_of(rows) / calls, "rows")
    for count, seen in sorted(rows.items()):
        add("ads", f"calls of {count} rows", seen, "calls")
    add("ads", "largest difference of a picture from the one made alone", worst, "levels of 255")


def rows_of(calls: Counter[int]) -> int:
    """Return the rows of all calls, of a count of calls by their rows."""
    return sum(rows * count for rows, count in calls.items())


async def _together(
    bench: Bench, requests: list[PictureOptions], alone: dict[int, np.ndarray]
) -> tuple[float, Counter[int]]:
    """Report both rates.

    Return the largest difference of a picture from the one made alone, in levels, and the denoiser's calls
    with several pictures in flight, by their rows.
    """
    differences: list[int] = []

    async def send(index: int) -> None:
        number = index % len(requests)
        made = await _picture(bench, requests[number])
        differences.append(int(np.abs(made.astype(int) - alone[number]).max()))

    rounds, each = bench.options.count(3, 1), bench.options.count(EACH, 3)
    seconds = bench.options.seconds(FLOOR_S, 0.5)
    floor = PictureFloor(
        bench.options.repository,
        bench.options.loras,
        [await _job(bench, request) for request in requests],
    )
    rows: Counter[int] = Counter()
    ones = [pair for _ in range(rounds) for pair in await _alone(bench, requests, floor)]
    crowds: list[tuple[float, float]] = []
    for _ in range(rounds):  # both sides in turns, as the machine's speed changes
        before = await asyncio.to_thread(floor.rate, seconds)
        calls = await _rows_by_call(bench)
        crowd = full_rate(await closed(each * len(requests), AT_ONCE, send), AT_ONCE)
        rows += await _rows_by_call(bench) - calls
        crowds.append((crowd, (before + await asyncio.to_thread(floor.rate, seconds)) / 2))
    _add(bench, ones, crowds)
    return float(max(differences)), rows


async def _alone(
    bench: Bench, requests: list[PictureOptions], floor: PictureFloor
) -> list[tuple[float, float]]:
    """Return the seconds of each picture alone, from the service and by its networks, one after the other."""
    pairs = []
    for place, request in enumerate(requests):
        networks = await asyncio.to_thread(floor.one, place)
        pairs.append((await _seconds(_picture(bench, request)), networks))
    return pairs


def _add(bench: Bench, ones: list[tuple[float, float]], crowds: list[tuple[float, float]]) -> None:
    """Report both sides; a ratio is of figures measured one after the other."""
    add = bench.report.add
    one, crowd = median([service for service, _ in ones]), median([service for service, _ in crowds])
    add("ads", "one picture of mixed sizes and styles", one, "s")
    add("ads", "its networks alone", median([networks for _, networks in ones]), "s")
    add("ads", "one picture / its networks alone", median([a / b for a, b in ones]), "×", at_most=1.15)
    add("ads", "8 of mixed sizes, prompts and styles at once", crowd, "pictures/s")
    floor = median([networks for _, networks in crowds])
    add("ads", "their networks alone, in the best calls", floor, "pictures/s")
    share = median([a / b for a, b in crowds])
    add("ads", "8 at once / their networks alone", share, "×", at_least=0.85)
    add("ads", "8 at once / one after the other", crowd * one, "×")


async def _job(bench: Bench, request: PictureOptions) -> dict[str, np.ndarray]:
    """The inputs of `denoise` for a request, with its prompt's features from the server."""
    facts = read_facts(read_manifests(bench.options.repository / "denoise" / "1")[FAMILY])
    prompt = {"prompt": text_array(request["prompt"]), "model": text_array(FAMILY)}
    captions = await bench.vitrine.infer("prepare_prompt", prompt)
    job = {name: array for name, array in captions.items() if name not in ("prompt_key", "report")}
    job |= {
        "family": text_array(FAMILY),
        "size": np.array([request["width"], request["height"]], np.int32),
        "seed": np.array([request["seed"]], np.uint64),
        "steps": np.array([facts.default_steps], np.int32),
        "guidance": np.array([facts.default_guidance], np.float32),
    }
    if style := request.get("lora"):
        job |= {"lora": text_array(str(style)), "lora_weight": np.ones(1, np.float32)}
    return job


def _request(number: int, styles: bool) -> PictureOptions:
    width, height = SIZES[number % len(SIZES)]
    prompt = shop.prompt(shop.sample(SEEN, number).facts, shop.LANGUAGES[number % 2])
    asked = {"prompt": prompt, "seed": number, "width": width, "height": height}
    style = STYLES[number % len(STYLES)]
    return cast(PictureOptions, asked | ({"lora": style} if style and styles else {}))


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
