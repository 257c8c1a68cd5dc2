"""Reads a sentence by the tables: what it says of the product, the shop and the light."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from vitrine_orchestrator.ad_prompts.lexicon import Found, Slot, find
from vitrine_orchestrator.ad_prompts.trades import TRADES

NEAR = 4
"""A side counts as the light's where a word for light is at most so many phrases away."""

MOST_PROPS = 2


@dataclass(frozen=True)
class Said:
    """What a sentence says; None where it is silent. Values are names of the tables' rows."""

    kind: str | None = None
    colour: str | None = None
    size: str | None = None
    trade: str | None = None
    table: str | None = None
    wall: str | None = None
    props: tuple[str, ...] = ()  # at most MOST_PROPS
    time: str | None = None
    side: str | None = None
    style: str | None = None
    theme: str | None = None
    found: dict[str, str] = field(default_factory=dict)  # the phrases that were read, and their names
    unread: tuple[str, ...] = ()  # words that the tables do not know

    @property
    def is_empty(self) -> bool:
        """Whether no phrase says anything."""
        return not self.found


def read(sentence: str) -> Said:
    """What the sentence says."""
    phrases, unread = find(sentence)
    told = [one for one in phrases if not _is_silent(one)]
    trade, kind, props = _trade(phrases), _first(phrases, "kind"), _all(phrases, "prop")
    product = _place(phrases, "kind") if kind else None
    return Said(
        kind=kind,
        colour=_product_colour(phrases, product),
        size=_first(phrases, "size"),
        trade=trade,
        table=_before(phrases, "surface", "table noun"),
        wall=_before(phrases, "colour", "wall noun"),
        props=tuple(dict.fromkeys(props))[:MOST_PROPS],
        time=_first(phrases, "time"),
        side=_light_side(phrases),
        style=_first(phrases, "style"),
        theme=_first(phrases, "theme"),
        found={one.said: one.meanings[0].name for one in told},
        unread=tuple(unread),
    )


def name_of(slot: Slot, text: str) -> str | None:
    """The name in the table of `slot` that a text means, if it means one and nothing else."""
    phrases, unread = find(text)
    names = [name for one in phrases if (name := one.of(slot))]
    return names[0] if len(names) == 1 == len(phrases) and not unread else None


def _is_silent(phrase: Found) -> bool:
    return phrase.meanings[0].slot in ("filler", "wall noun", "table noun", "light noun")


def _all(phrases: list[Found], slot: Slot) -> list[str]:
    return [name for one in phrases if (name := one.of(slot))]


def _first(phrases: list[Found], slot: Slot) -> str | None:
    return next(iter(_all(phrases, slot)), None)


def _place(phrases: list[Found], slot: Slot) -> int | None:
    return next((index for index, one in enumerate(phrases) if one.of(slot)), None)


def _trade(phrases: list[Found]) -> str | None:
    """The first trade that is named; one that other trades' sentences name too counts last."""
    named = _all(phrases, "trade")
    return next(iter(sorted(named, key=lambda name: TRADES[name].general)), None)


def _before(phrases: list[Found], slot: Slot, noun: Slot) -> str | None:
    """The name of the first phrase of `slot` that stands right before a noun."""
    pairs = pairwise(phrases)
    return next((name for one, after in pairs if after.of(noun) and (name := one.of(slot))), None)


def _product_colour(phrases: list[Found], product: int | None) -> str | None:
    """The colour before the product, or the first that is no wall's."""
    free = [
        (index, name)
        for index, one in enumerate(phrases)
        if (name := one.of("colour"))
        and not (index + 1 < len(phrases) and phrases[index + 1].of("wall noun"))
    ]
    if product is not None:
        near = [pair for pair in free if pair[0] < product]
        free = near[-1:] or free
    return free[0][1] if free else None


def _light_side(phrases: list[Found]) -> str | None:
    lights = [index for index, one in enumerate(phrases) if one.of("light noun")]
    sides = ((index, name) for index, one in enumerate(phrases) if (name := one.of("side")))
    return next((name for index, name in sides if any(abs(index - at) <= NEAR for at in lights)), None)
