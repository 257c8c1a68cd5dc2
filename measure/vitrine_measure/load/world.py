"""The people and garments of a load, as encoded pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from PIL import Image
from vitrine.inputs import Tensors, TryOnOptions, try_on_inputs
from vitrine_orchestrator.person.labels import Category
from vitrine_world import dolls

from vitrine_measure.load.arrivals import Zipf

WORLD = 4242
"""The seed of the dolls, which are not in the training data."""


@dataclass(frozen=True)
class Product:
    """A garment's picture (PNG) and description."""

    picture: bytes
    description: str


@dataclass(frozen=True)
class World:
    """People (PNG) and garments of one category; every request has a seed of its own."""

    people: tuple[bytes, ...]
    garments: tuple[Product, ...]
    category: Category
    seeds: Iterator[int]

    def options(self, person: int, garment: int, steps: int) -> TryOnOptions:
        """Return one request as options of the client."""
        product = self.garments[garment]
        return {
            "person": self.people[person],
            "garment": product.picture,
            "category": self.category,
            "description": product.description,
            "steps": steps,
            "seed": next(self.seeds),
        }

    def inputs(self, person: int, garment: int, steps: int) -> Tensors:
        """Return one request as tensors, for callers that do not decode the response."""
        return try_on_inputs(**self.options(person, garment, steps))


def draw_world(people: int, garments: int, first: int = 0, category: Category = "upper_body") -> World:
    """Draw the dolls from number `first` on; each number is a different doll."""
    samples = [dolls.sample(WORLD, first + index, category) for index in range(max(people, garments))]
    return World(
        people=tuple(png(dolls.draw_person(made.person)) for made in samples[:people]),
        garments=tuple(
            Product(png(dolls.draw_garment(made.garment)), made.garment.description)
            for made in samples[:garments]
        ),
        category=category,
        seeds=count(1),
    )


class Mix:
    """Requests with a Zipf distribution of people and of garments."""

    def __init__(self, world: World, steps: int, seed: int = 0, exponent: float = 1.1) -> None:
        draw = np.random.default_rng(seed)
        self.world, self.steps = world, steps
        self._person = Zipf(len(world.people), exponent, draw)
        self._garment = Zipf(len(world.garments), exponent, draw)

    def options(self) -> TryOnOptions:
        """Return the next request as options of the client."""
        return self.world.options(self._person(), self._garment(), self.steps)

    def inputs(self) -> Tensors:
        """Return the next request as tensors."""
        return try_on_inputs(**self.options())


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as a camera does."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """Encode a picture (H, W, 3) uint8 RGB as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
