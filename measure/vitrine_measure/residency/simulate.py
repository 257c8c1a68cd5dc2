"""Compares eviction policies by simulation: released sizes, drawn requests, one use after the other.

Sizes in GB are those of the released files in half precision. A load takes 0.15 s and the time of its bytes
over PCIe 4 from pinned memory, 20 GB/s. No use overlaps another, and nothing is loaded ahead: what counts is
which policy loads less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from vitrine_orchestrator.residency.worth import Ages, count_use, victims

GB, START_S, BYTES_PER_S = 10**9, 0.15, 20e9

SIZES_GB = {
    "person networks": 0.8,
    "image_encoder": 1.3,
    "text_encoders": 1.6,
    "denoise idm-vton": 10.3,
    "vae": 0.17,
    "denoise fashn": 1.9,
    "z_image_text_encoder": 8.0,
    "denoise z-image": 12.3,
    "flux_text_encoders": 9.7,
    "denoise flux": 23.8,
    "picture vae": 0.17,
    "cut_out_network": 0.9,
}

PIPELINES = {
    "try on": ("person networks", "image_encoder", "text_encoders", "denoise idm-vton", "vae"),
    "try on, known person and garment": ("denoise idm-vton", "vae"),
    "try on, fashn": ("person networks", "denoise fashn"),
    "advertisement": ("cut_out_network", "z_image_text_encoder", "denoise z-image", "picture vae"),
    "advertisement, known prompt": ("cut_out_network", "denoise z-image", "picture vae"),
    "flux": ("flux_text_encoders", "denoise flux", "picture vae"),
    "cut out": ("cut_out_network",),
}

MIXES = {
    "shop": {
        "try on": 0.2,
        "try on, known person and garment": 0.5,
        "advertisement": 0.25,
        "flux": 0.05,
    },
    "advertisements": {
        "advertisement": 0.45,
        "advertisement, known prompt": 0.25,
        "cut out": 0.15,
        "try on": 0.1,
        "flux": 0.05,
    },
    "mixed": dict.fromkeys(PIPELINES, 1 / len(PIPELINES)),
}
"""Shares of the pipelines in the requests."""


@dataclass(eq=False)
class Model:
    """One model in the simulated memory."""

    name: str
    bytes: int
    uses: float = 0.0
    worth: float = 0.0

    @property
    def load_s(self) -> float:
        """Seconds of its load."""
        return START_S + self.bytes / BYTES_PER_S


class Policy(Protocol):
    """Sets the worth of a model at each use; the least worthy are evicted."""

    def used(self, model: Model, at: int) -> None:
        """Note a use, `at` counts all uses."""

    def evicted(self, model: Model) -> None:
        """Note an eviction."""


class Gdsf:
    """The policy of the server."""

    def __init__(self) -> None:
        self._ages = Ages()

    def used(self, model: Model, at: int) -> None:
        """See Policy."""
        model.worth = self._ages.worth(model, model.uses)

    def evicted(self, model: Model) -> None:
        """See Policy."""
        self._ages.evicted(model.worth)


class Lru:
    """The least recently used goes."""

    def used(self, model: Model, at: int) -> None:
        """See Policy."""
        model.worth = at

    def evicted(self, model: Model) -> None:
        """See Policy."""


class SmallestFirst:
    """The smallest that is enough goes, as in some programs for one picture at a time."""

    def used(self, model: Model, at: int) -> None:
        """See Policy."""
        model.worth = model.bytes

    def evicted(self, model: Model) -> None:
        """See Policy."""


POLICIES: dict[str, Callable[[], Policy]] = {"LRU": Lru, "smallest first": SmallestFirst, "GDSF": Gdsf}


def draw_uses(mix: dict[str, float], count: int, seed: int) -> list[str]:
    """The models that `count` requests of a mix use, in order."""
    draw = np.random.default_rng(seed)
    names = list(mix)
    chosen = draw.choice(len(names), size=count, p=np.array(list(mix.values())) / sum(mix.values()))
    return [model for index in chosen for model in PIPELINES[names[index]]]


def loading_s(uses: Iterable[str], budget_gb: float, policy: Policy) -> float:
    """The seconds of loading, per use."""
    models = {name: Model(name, round(size * GB)) for name, size in SIZES_GB.items()}
    inside: list[Model] = []
    free, spent, at = round(budget_gb * GB), 0.0, 0
    for at, name in enumerate(uses, start=1):
        model = models[name]
        if model not in inside:
            for gone in victims(inside, lambda one: one.worth, model.bytes - free):
                inside.remove(gone)
                policy.evicted(gone)
                free += gone.bytes
            inside.append(model)
            free, spent = free - model.bytes, spent + model.load_s
        count_use(model, models.values())
        policy.used(model, at)
    return spent / max(at, 1)


def rows(budgets_gb: Sequence[float], count: int, seeds: Sequence[int]) -> list[tuple[str, ...]]:
    """The table: mix and budget, then the mean milliseconds of loading per use under each policy."""
    table = [("mix", "GB", *POLICIES, "GDSF / LRU")]
    for mix, shares in MIXES.items():
        drawn = [draw_uses(shares, count, seed) for seed in seeds]
        for budget in budgets_gb:
            means = {
                name: 1000 * float(np.mean([loading_s(uses, budget, opened()) for uses in drawn]))
                for name, opened in POLICIES.items()
            }
            figures = (f"{one:.0f}" for one in means.values())
            table.append((mix, f"{budget:g}", *figures, f"{means['GDSF'] / means['LRU']:.2f}"))
    return table
