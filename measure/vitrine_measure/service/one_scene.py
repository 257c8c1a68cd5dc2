"""The part of the bench with one scene for ten products, beside ten ads that draw a scene each.

Both sides are measured twice: with photographs that the server has never seen (cold), and with the same ones
again (known), whose cut-outs are kept. Prompts are known in both, as a shop's sentence is after its first ad.
Beside seconds there is the server's processor time, which other work on the machine changes less.

How much one scene saves depends on what a scene costs beside a product's own work, so there are two: of as
many steps as Z-Image Turbo takes, and of as many as the old service's backgrounds (FLUX.1 dev).
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any

import numpy as np
import psutil
from PIL import Image
from vitrine import ProductAd
from vitrine.errors import Unavailable
from vitrine_orchestrator.cut_out.facts import FAMILY as CUT_OUT
from vitrine_orchestrator.cut_out.facts import read_facts
from vitrine_orchestrator.manifest import read_manifest, read_manifests
from vitrine_orchestrator.stages.cut_out import NETWORK
from vitrine_orchestrator.stages.z_image import FAMILY as Z_IMAGE
from vitrine_world import shop

from vitrine_measure.demo_ads import ENLARGED, photograph
from vitrine_measure.load.watch import scrape, total
from vitrine_measure.load.world import jpeg
from vitrine_measure.service.bench import Bench, median

PRODUCTS = 10
SIDE = 1200
"""Pixels of a photograph's sides."""
NOISE = 3
"""Levels of its camera noise, which also makes each photograph a new one."""
ASKED: dict[str, Any] = {
    "sentence": "카페 신메뉴 따뜻한 라떼",
    "enlarge": ENLARGED,
    "texts": "신메뉴 4,500원",
}
STEPS = (8, 50)  # of a scene: Z-Image Turbo's model card; the old service
AIM = 0.25
STAGES = ("text_to_image", "cut_out", "compose", "text_overlay")


async def one_scene(bench: Bench) -> None:
    """Measure both sides, cold and known, and what the network's calls alone take.

    Raises Unavailable if the repository holds no release of Z-Image, or no cut-out.
    """
    repository = bench.options.repository
    if Z_IMAGE not in read_manifests(repository / "text_to_image" / "1"):
        raise Unavailable("the repository holds no release of Z-Image: run make shop")
    facts = read_facts(read_manifest(repository / "cut_out" / "1", CUT_OUT))
    drawn = [photograph("mug", colour) for colour in shop.PRODUCT_COLOURS]
    drawn = [(drawn * PRODUCTS)[index].resize((SIDE, SIDE)) for index in range(PRODUCTS)]
    await _apart(bench, _new(drawn, 0), STEPS[0])  # opens every model
    network = [await _network(bench, facts.side) for _ in range(bench.options.count(3, 1))]
    for steps in STEPS:
        await _one_scene(bench, facts.network, drawn, steps, median(network))


async def _one_scene(
    bench: Bench, network: str, drawn: list[Image.Image], steps: int, network_s: float
) -> None:
    """Measure both sides with scenes of so many steps."""
    seconds: dict[str, list[float]] = {}
    rows: dict[str, float] = {}
    nodes: dict[str, float] = defaultdict(float)  # seconds by stage of all ads that drew a scene each, cold
    for number in range(1, bench.options.count(3, 1) + 1):
        for way, make in (("apart", _apart), ("together", _together)):
            photos = _new(drawn, 10 * number + 2 * STEPS.index(steps) + (way == "apart"))
            for known in ("cold", "known"):
                before, worked = await _rows(bench), processor_s(bench.server.pid)
                took, made = await _timed(make(bench, photos, steps))
                seconds.setdefault(f"{way} {known}", []).append(took)
                spent = processor_s(bench.server.pid) - worked
                seconds.setdefault(f"{way} {known} worked", []).append(spent)
                rows[way] = await _rows(bench) - before
                if way == "apart" and known == "cold":
                    for stage, in_stage in _spent(made).items():
                        nodes[stage] += in_stage
    _tell(bench, f"{network}, {steps} steps", seconds, rows, nodes, network_s)


def _tell(
    bench: Bench,
    title: str,
    seconds: dict[str, list[float]],
    rows: dict[str, float],
    nodes: dict[str, float],
    network_s: float,
) -> None:
    def add(name: str, value: float, unit: str, at_most: float | None = None) -> None:
        bench.report.add("one-scene", f"{title}: {name}", value, unit, at_most=at_most)

    ads = PRODUCTS * len(seconds["apart cold"])
    scene_s = nodes["text_to_image"] / ads
    for known in ("cold", "known"):
        apart, together = seconds[f"apart {known}"], seconds[f"together {known}"]
        add(f"{PRODUCTS} ads, a scene each, photographs {known}", median(apart), "s")
        add(f"{PRODUCTS} ads in one scene, photographs {known}", median(together), "s")
        shares = [one / other for one, other in zip(together, apart, strict=True)]
        add(f"one scene / a scene each, {known}", median(shares), "×", at_most=AIM)
        apart, together = seconds[f"apart {known} worked"], seconds[f"together {known} worked"]
        add(f"processor time of {PRODUCTS} ads, a scene each, {known}", median(apart), "s")
        add(f"processor time of {PRODUCTS} ads in one scene, {known}", median(together), "s")
    for stage in STAGES:
        add(f"{stage} of one ad alone, cold", nodes[stage] / ads * 1e3, "ms")
    add(f"the network's calls alone for {PRODUCTS} photographs", network_s, "s")
    floor = (scene_s + network_s) / median(seconds["apart cold"])
    add("scene and network's calls alone / a scene each, cold", floor, "×")
    add("transformer rows, a scene each", rows["apart"], "rows")
    add("transformer rows, one scene", rows["together"], "rows")


def _new(drawn: list[Image.Image], seed: int) -> list[bytes]:
    """The photographs with new noise, as JPEG."""
    draw = np.random.default_rng(seed)
    files = []
    for one in drawn:
        grain = draw.integers(-NOISE, NOISE + 1, (SIDE, SIDE, 1), np.int16)
        files.append(jpeg(Image.fromarray((np.asarray(one) + grain).clip(0, 255).astype(np.uint8))))
    return files


async def _apart(bench: Bench, photos: list[bytes], steps: int) -> list[ProductAd]:
    return [
        await bench.vitrine.product_ad(product=one, seed=number, steps=steps, **ASKED)
        for number, one in enumerate(photos)
    ]


async def _together(bench: Bench, photos: list[bytes], steps: int) -> list[ProductAd]:
    return [await bench.vitrine.product_ad(product=photos, each=True, seed=1, steps=steps, **ASKED)]


async def _network(bench: Bench, side: int) -> float:
    """Seconds of the cut-out network for all photographs, all of them waiting at once."""
    image = np.zeros((1, 3, side, side), np.float32)
    took, _ = await _timed(
        asyncio.gather(*(bench.vitrine.infer(NETWORK, {"image": image}) for _ in range(PRODUCTS)))
    )
    return took


def _spent(made: list[ProductAd]) -> dict[str, float]:
    """Seconds by stage, of all together."""
    spent: dict[str, float] = defaultdict(float)
    for node in (node for one in made for node in one.report["nodes"]):
        spent[node["stage"]] += node["time"]
    return spent


async def _timed(work: Awaitable[Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = await work
    return time.perf_counter() - started, answer


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process and all below it have used."""
    server = psutil.Process(pid)
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


async def _rows(bench: Bench) -> float:
    await asyncio.sleep(0.5)  # the denoiser publishes its counters at intervals
    return total(await asyncio.to_thread(scrape, bench.server.metrics), "vitrine_picture_rows_total")
