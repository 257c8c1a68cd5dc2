"""The figures of many texts, and the gates that ours must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from vitrine_measure.score_text.figures import distance
from vitrine_measure.score_text.lines import READERS
from vitrine_measure.score_text.reading import bare, read, strip
from vitrine_measure.score_text.samples import Measured

ENOUGH = 4.5
READABLE = 24
"""Sizes in pixels from which a text is read back."""
GATES: dict[str, tuple[str, float]] = {
    "set": (">=", 1.0),
    "covered": ("<=", 0.0),
    "contrast": (">=", 0.95),
    "tofu": ("<=", 0.0),
    "read": (">=", 0.97),
}
"""By figure: how it must compare with its gate."""


def table(texts: Sequence[Measured]) -> dict[str, float]:
    """Return the figures of texts, one on each scene."""
    done = [one for one in texts if one.size]
    with ThreadPoolExecutor(len(READERS)) as pool:
        right = dict(zip(READERS, pool.map(partial(_read_share, done), READERS), strict=True))
    everything = [sum(part) for part in zip(*right.values(), strict=True)]
    figures = {
        "set": len(done) / max(len(texts), 1),
        "covered": float(np.mean([one.covered for one in done])) if done else 0.0,
        "contrast": sum(one.contrast >= ENOUGH for one in done) / max(len(done), 1),
        "contrast median": float(np.median([one.contrast for one in done])) if done else 1.0,
        "tofu": float(sum(one.tofu for one in done)),
        "size median": float(np.median([one.size for one in done])) if done else 0.0,
        "ms median": 1000 * float(np.median([one.seconds for one in done])) if done else 0.0,
        "read": everything[0] / max(everything[1], 1),
    }
    by_language = {f"read {name}": good / total for name, (good, total) in right.items() if total}
    return figures | by_language


def missed(figures: Mapping[str, float]) -> list[str]:
    """Return a line for each gate that is not kept."""
    kept = {
        name: figures[name] >= gate if sign == ">=" else figures[name] <= gate
        for name, (sign, gate) in GATES.items()
    }
    return [
        f"{name} must be {GATES[name][0]} {GATES[name][1]}, got {figures[name]:.4f}"
        for name in kept
        if not kept[name]
    ]


def _read_share(texts: Sequence[Measured], language: str) -> tuple[int, int]:
    """Return the characters of a language that are read right, and all of them."""
    lines = [
        (line, strip(one.picture, box))
        for one in texts
        if one.case.language == language and one.size >= READABLE
        for line, box in zip(one.lines, one.boxes, strict=True)
    ]
    found = read([image for _, image in lines], language)
    good = total = 0
    for (line, _), text in zip(lines, found, strict=True):
        truth = bare(line)
        good += max(len(truth) - distance(bare(text), truth), 0)
        total += len(truth)
    return good, total
