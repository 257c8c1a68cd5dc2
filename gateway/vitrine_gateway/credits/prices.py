"""Prices, as data. A job has the price of its size; registering a garment earns credits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """What a job of this size costs."""

    name: str
    garments: int  # for jobs of up to so many garments; 0 for pipelines without garments
    credits: int


PRICES: dict[str, tuple[Price, ...]] = {
    "try_on": (Price("single", 1, 1), Price("partial", 2, 2), Price("full", 16, 3)),
    "text_to_image": (Price("picture", 0, 1),),
    "image_to_image": (Price("picture", 0, 1),),
    "product_ad": (Price("picture", 0, 2),),
    "text_overlay": (Price("picture", 0, 1),),
    "cut_out": (Price("picture", 0, 1),),
    "picture_description": (Price("description", 0, 1),),
    "score": (Price("score", 0, 1),),
}
"""By pipeline, the cheapest first."""

REWARDS = {"register_garment": 10}
"""Credits by what earns them. A picture of a garment earns once for each account; see `garments.register`."""


def price_named(pipeline: str, name: str) -> Price:
    """Return the price of this name, for routes whose price does not follow from the garments."""
    return next(row for row in PRICES[pipeline] if row.name == name)


def price_of(pipeline: str, garments: int) -> Price:
    """Return the price of a job of a pipeline with so many garments."""
    rows = PRICES[pipeline]
    return next((row for row in rows if garments <= row.garments), rows[-1])
