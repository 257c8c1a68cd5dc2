"""A shop's requests: 70 % try-ons, 25 % product advertisements and 5 % pictures from a prompt.

Try-ons are of a few people and garments, which the server knows after their first request; a part of them may
be of new ones. Each advertisement is of a new product photograph; its sentence is one of the few that a shop
uses. Every picture has a new prompt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

import numpy as np
from vitrine import AsyncVitrine
from vitrine_world import shop

from vitrine_measure.demo_ads import ENLARGED, ORDERS, photographed
from vitrine_measure.demo_ads import WORLD as PRODUCTS
from vitrine_measure.load.world import Mix, draw_world

SHARES = {"try-on": 0.70, "advertisement": 0.25, "picture": 0.05}
KNOWN = 6  # people, and as many garments, that most try-ons are of
NEW_FROM = 1000  # numbers of the dolls that no request has shown yet
THINGS = ("a mug", "a lamp", "a bag", "two shoes", "a bottle")
COLOURS = ("red", "blue", "green", "yellow", "pink", "white")
PLACES = ("on a wooden table", "in a bright room", "by a window", "on a shelf", "in a garden", "on marble")

Send = Callable[[], Awaitable[object]]


class Shop:
    """Draws the requests of one seed: the same ones for every server."""

    def __init__(
        self, vitrine: AsyncVitrine, steps: int, timeout_s: float, new: float = 0.0, seed: int = 12
    ) -> None:
        """`new`: the share of try-ons of a person and a garment that no request has shown yet."""
        self._share_new = new
        self._vitrine, self._steps, self._timeout_s = vitrine, steps, timeout_s
        self._draw = np.random.default_rng(seed)
        self._known = Mix(draw_world(KNOWN, KNOWN), steps, seed)
        self._new, self._product = count(NEW_FROM + 10_000 * seed), count(10_000 * seed)
        self._drawn = {"try-on": self._try_on, "advertisement": self._advertisement, "picture": self._picture}

    def next(self) -> tuple[str, Send]:
        """The kind of the next request, and what sends it."""
        kind = list(SHARES)[int(self._draw.choice(len(SHARES), p=list(SHARES.values())))]
        return kind, self.one(kind)

    def one(self, kind: str) -> Send:
        """What sends the next request of a kind."""
        return self._drawn[kind]()

    def _try_on(self) -> Send:
        options = self._known.options()
        if self._draw.random() < self._share_new:
            options = draw_world(1, 1, next(self._new)).options(0, 0, self._steps)
        options["model"] = "idm_vton"
        return lambda: self._vitrine.try_on(**options, timeout_s=self._timeout_s)

    def _picture(self) -> Send:
        prompt = " ".join(str(self._draw.choice(words)) for words in (COLOURS, THINGS, PLACES))
        seed = int(self._draw.integers(2**31))
        return lambda: self._vitrine.text_to_image(
            prompt=prompt, seed=seed, steps=self._steps, timeout_s=self._timeout_s
        )

    def _advertisement(self) -> Send:
        photo = photographed(shop.sample(PRODUCTS, next(self._product)))
        order = ORDERS[int(self._draw.integers(len(ORDERS)))]
        seed = int(self._draw.integers(2**31))
        return lambda: self._vitrine.product_ad(
            product=photo,
            sentence=order.sentence,
            texts=order.text,
            enlarge=ENLARGED,
            steps=self._steps,
            seed=seed,
            timeout_s=self._timeout_s,
        )
