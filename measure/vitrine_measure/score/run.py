"""Runs the stages and try-ons of a score over dolls, and collects their metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm
from vitrine_orchestrator.person import densepose, parsing, pose, prepare
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.person.mask import inpainting_mask
from vitrine_orchestrator.stages.calls import Stages
from vitrine_world import dolls

from vitrine_measure.score.measures import (
    LabelCounts,
    TryOnCounts,
    error_inside,
    iou,
    joints_found,
    largest_outside,
)

Picture = NDArray[np.uint8]
TryOn = Callable[[Picture, dolls.Sample, Picture], Awaitable[tuple[Picture, NDArray[np.bool_]]]]
"""Takes person, sample and garment picture; returns the result and the mask (H, W) at the person's size."""

NETWORK_SIZE = (densepose.WIDTH, densepose.HEIGHT)
"""Width and height in px of the person networks' input."""

LABELS, PARTS = 19, 25
"""Number of ATR labels with the neck, and of DensePose labels."""

GARMENTS = 8
"""Number of garments among which the result must be nearest to the requested one."""

AT_ONCE = 8  # concurrent samples


@dataclass(frozen=True)
class Options:
    """The options of each try-on; None is the checkpoint's own, `brief` sends no description.

    `model` is the family that a server is asked for (None: the server's first one).
    """

    steps: int | None = None
    guidance: float | None = None
    brief: bool = False
    seed: int = 7
    model: str | None = None


@dataclass
class Score:
    """The sums over all samples so far; `rows` are (person, garment, true picture, result)."""

    joints: int = 0
    joints_found: int = 0
    labels: LabelCounts = field(default_factory=lambda: LabelCounts(LABELS))
    parts: LabelCounts = field(default_factory=lambda: LabelCounts(PARTS))
    masks: list[float] = field(default_factory=list)
    tryon: dict[str, TryOnCounts] = field(
        default_factory=lambda: {name: TryOnCounts() for name in CATEGORIES}
    )
    rows: list[tuple[Picture, Picture, Picture, Picture]] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """Return the metrics by name, as `--json` prints them; person stages only where they were scored."""
        tryon = {name: counts.figures() for name, counts in self.tryon.items() if counts.count}
        if not self.joints:
            return {"tryon": tryon}
        return {
            "pose_pck": self.joints_found / self.joints,
            "label_miou": self.labels.mean_iou(),
            "part_miou": self.parts.mean_iou(),
            "mask_iou": float(np.mean(self.masks)),
            "tryon": tryon,
        }


async def score(stages: Stages | None, try_on: TryOn, seed: int, count: int) -> Score:
    """Score samples 0 to count − 1 of a seed, the categories in turn, AT_ONCE of them concurrently.

    Without `stages` only try-ons are scored.
    """
    result, places = Score(), asyncio.Semaphore(AT_ONCE)
    with tqdm(total=count, desc="score", unit="sample") as bar:

        async def one(index: int) -> None:
            async with places:
                made = dolls.sample(seed, index, CATEGORIES[index % len(CATEGORIES)])
                if stages:
                    await _person_stages(stages, made.person, result)
                await _try_on(try_on, made, seed, index, result)
            bar.update()

        await asyncio.gather(*(one(index) for index in range(count)))
    return result


async def _person_stages(stages: Stages, person: dolls.Person, result: Score) -> None:
    drawn = network_picture(dolls.draw_person(person))
    maps, atr, lip, parts = await asyncio.gather(
        stages("pose", {"image": pose.network_input(drawn)[None]}),
        stages("parsing_atr", {"image": parsing.network_input(drawn, parsing.ATR_SIZE)[None]}),
        stages("parsing_lip", {"image": parsing.network_input(drawn, parsing.LIP_SIZE)[None]}),
        stages("densepose", {"image": drawn[None]}),
    )
    keypoints = pose.keypoints(maps["pafs"][0], maps["heatmaps"][0], *NETWORK_SIZE)
    labels = parsing.merged_labels(atr["logits"][0], lip["logits"][0], *NETWORK_SIZE)
    true_labels, true_points = dolls.labels(person, NETWORK_SIZE), dolls.keypoints(person)
    height = float(np.ptp(np.nonzero((true_labels > 0).any(axis=1))[0]))
    result.joints += int((true_points[:, 2] > 0).sum())
    result.joints_found += joints_found(keypoints, true_points, NETWORK_SIZE, height)
    result.labels.add(labels, true_labels)
    result.parts.add(parts["parts"][0], dolls.parts(person, NETWORK_SIZE))
    for category in CATEGORIES:
        found = inpainting_mask(labels, keypoints, category) > 0
        result.masks.append(iou(found, inpainting_mask(true_labels, true_points, category) > 0))


async def _try_on(try_on: TryOn, made: dolls.Sample, seed: int, index: int, result: Score) -> None:
    person, truth = dolls.draw_person(made.person), dolls.draw_person(made.target)
    garment = dolls.draw_garment(made.garment)
    picture, used = await try_on(person, made, garment)
    mask = true_mask(made)
    worn = (dolls.wear(made.person, other) for other in other_garments(made, seed, index))
    others = [dolls.draw_person(person) for person in worn]
    errors = [error_inside(picture, other, mask) for other in (truth, *others)]
    counts = result.tryon[made.category]
    counts.count += 1
    counts.error += errors[0]
    counts.unchanged += error_inside(person, truth, mask)
    counts.nearest += int(np.argmin(errors) == 0)
    counts.outside_max = max(counts.outside_max, largest_outside(picture, person, used))
    result.rows.append((person, garment, truth, picture))


def network_picture(picture: Picture) -> Picture:
    """Resize a picture (H, W, 3) uint8 to the person networks' input, (512, 384, 3)."""
    return np.asarray(Image.fromarray(picture).resize(NETWORK_SIZE, Image.Resampling.BICUBIC))


def true_mask(made: dolls.Sample) -> NDArray[np.bool_]:
    """Return the inpainting mask (H, W) from the true labels and joints, at the picture's size."""
    labels, points = dolls.labels(made.person, NETWORK_SIZE), dolls.keypoints(made.person)
    return prepare.mask_at(inpainting_mask(labels, points, made.category), *dolls.SIZE) > 0


def other_garments(made: dolls.Sample, seed: int, index: int) -> list[dolls.Garment]:
    """Return GARMENTS − 1 different garments of the sample's category, none equal to its own."""
    found: list[dolls.Garment] = []
    step = 0
    while len(found) < GARMENTS - 1:
        step += 1
        other = dolls.sample(seed + 1, index * 1000 + step, made.category).garment
        if other != made.garment and other not in found:
            found.append(other)
    return found
