"""Draws advertisements of the paper shop; a seed and an index identify each one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from vitrine_world.shop.daylight import SIDES, TIMES
from vitrine_world.shop.palette import PRODUCT_COLOURS, colour_distance
from vitrine_world.shop.products import KINDS
from vitrine_world.shop.props import PROPS
from vitrine_world.shop.trades import TABLES, TRADES, WALLS, Surface, Trade

Choice = TypeVar("Choice")

WALL_CLEAR, TABLE_CLEAR = 75.0, 45.0
"""RGB distances above which a product stands out from the wall behind it and from the table under it."""

SIZES = {"small": ("작은", 0.82), "medium-sized": ("보통 크기의", 1.0), "large": ("큰", 1.2)}
"""English words to Korean words and scale."""

PLACES = ("left", "right")


@dataclass(frozen=True)
class Facts:
    """What a prompt says of a picture; every value is a key of its table.

    `props` are two props of the trade, the nearer to the product first; `light` is the side that light
    comes from.
    """

    kind: str
    colour: str
    size: str
    trade: str
    table: str
    wall: str
    props: tuple[str, str]
    time: str
    light: str

    def __post_init__(self) -> None:
        """Refuse what the world does not have (ValueError)."""
        for name, table in TABLES_OF_FACTS.items():
            value = getattr(self, name)
            if value not in table:
                raise ValueError(f"{name} must be one of {sorted(table)}, got {value!r}")
        for prop in self.props:
            if prop not in PROPS:
                raise ValueError(f"a prop must be one of {sorted(PROPS)}, got {prop!r}")


TABLES_OF_FACTS: dict[str, Mapping[str, object]] = {
    "kind": KINDS,
    "colour": PRODUCT_COLOURS,
    "size": SIZES,
    "trade": TRADES,
    "table": TABLES,
    "wall": WALLS,
    "time": TIMES,
    "light": SIDES,
}
"""The table of every fact but the props."""


@dataclass(frozen=True)
class Layout:
    """Where things are, in centi-pictures with y up, for a product on the left.

    With `place` "right" the picture's right half takes what is said of the left one. `x` and `base` are
    below the product's middle; `horizon` is the table's far edge; `props` are the (x, y) below the props.
    """

    place: str
    x: float
    base: float
    horizon: float
    props: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Sample:
    """One advertisement: what it shows, and where."""

    facts: Facts
    layout: Layout


def sample(seed: int, index: int, kind: str | None = None, trade: str | None = None) -> Sample:
    """Draw the sample of a seed and index, always the same; `kind` and `trade` fix these two."""
    rng = np.random.default_rng([seed, index])
    drawn_kind, drawn_trade = _pick(rng, list(KINDS)), _pick(rng, list(TRADES))
    kind, trade = kind or drawn_kind, trade or drawn_trade
    colour = _pick(rng, list(PRODUCT_COLOURS))
    _refuse_unknown(kind, trade)
    row = TRADES[trade]
    facts = Facts(
        kind=kind,
        colour=colour,
        size=_pick(rng, list(SIZES)),
        trade=trade,
        table=_pick(rng, clear_tables(row, colour)),
        wall=_pick(rng, clear_walls(row, colour)),
        props=_two_of(rng, row.props),
        time=_pick(rng, list(TIMES)),
        light=_pick(rng, list(SIDES)),
    )
    return Sample(facts, _layout(rng))


def clear_walls(trade: Trade, colour: str) -> list[str]:
    """Return the trade's walls that contrast with a product of that colour."""
    return _clear([WALLS[name] for name in trade.walls], colour, WALL_CLEAR)


def clear_tables(trade: Trade, colour: str) -> list[str]:
    """Return the trade's tables that contrast with a product of that colour."""
    return _clear([TABLES[name] for name in trade.tables], colour, TABLE_CLEAR)


def _clear(rows: Sequence[Surface], colour: str, distance: float) -> list[str]:
    main = PRODUCT_COLOURS[colour].main
    return [row.english for row in rows if colour_distance(main, row.colour) > distance]


def _refuse_unknown(kind: str, trade: str) -> None:
    for name, value, table in (("kind", kind, KINDS), ("trade", trade, TRADES)):
        if value not in table:
            raise ValueError(f"{name} must be one of {sorted(table)}, got {value!r}")


def _layout(rng: np.random.Generator) -> Layout:
    near = (float(rng.uniform(65.0, 69.0)), float(rng.uniform(26.0, 29.0)))
    far = (float(rng.uniform(85.0, 88.0)), float(rng.uniform(23.0, 26.0)))
    place = _pick(rng, PLACES)
    x, base = float(rng.uniform(30.0, 37.0)), float(rng.uniform(17.0, 20.0))
    return Layout(place, x, base, float(rng.uniform(34.0, 37.0)), (near, far))


def _two_of(rng: np.random.Generator, choices: Sequence[str]) -> tuple[str, str]:
    first, second = rng.choice(len(choices), 2, replace=False)
    return choices[first], choices[second]


def _pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Draw one of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]
