"""Reads a sentence by the tables: what it says of the product, the shop and the light."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrine_orchestrator.ad_prompts.lexicon import Found, Slot, phrases_of
from vitrine_orchestrator.ad_prompts.negations import SILENT, wanted
from vitrine_orchestrator.ad_prompts.trades import TRADES

NEAR = 4
"""A side counts as the light's where a word for light is at most so many phrases away."""

MOST_PROPS = 2
COPULAS = ("is", "in")
"""English words between a noun and what is said of it."""
TOPICS = ("은", "는", "이", "가", "을", "를")
"""Particles of a Korean noun that something is said of."""
FROM = ("에서", "에서의", "에서는", "부터", "으로부터")
"""Particles of the side that light comes from."""


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
    without: tuple[str, ...] = ()  # names of the tables, and English words, that it does not want
    negated: tuple[str, ...] = ()  # its words that say so, such as "without coffee beans"
    found: dict[str, str] = field(default_factory=dict)  # the phrases that were read, and their names
    unread: tuple[str, ...] = ()  # words that the tables do not know

    @property
    def is_empty(self) -> bool:
        """Whether no phrase says anything."""
        return not self.found


def read(sentence: str) -> Said:
    """What the sentence says."""
    left = wanted(phrases_of(sentence))
    phrases = [one for one in left.phrases if one.meanings]
    trade, props = _trade(phrases), _all(phrases, "prop")
    product = _product(left.phrases)
    walls = _of_noun(phrases, "colour", "wall noun")
    return Said(
        kind=product.of("kind") if product else None,
        colour=_product_colour(phrases, product, walls),
        size=_first(phrases, "size"),
        trade=trade,
        table=next(iter(_of_noun(phrases, "surface", "table noun").values()), None),
        wall=next(iter(walls.values()), None),
        props=tuple(dict.fromkeys(props))[:MOST_PROPS],
        time=_first(phrases, "time"),
        side=_light_side(phrases),
        style=_first(phrases, "style"),
        theme=_first(phrases, "theme"),
        without=left.without,
        negated=left.negated,
        found={one.said: one.meanings[0].name for one in phrases if not _is_silent(one)},
        unread=tuple(one.said for one in left.phrases if not one.meanings),
    )


def name_of(slot: Slot, text: str) -> str | None:
    """The name in the table of `slot` that a text means, if it means one and nothing else."""
    phrases = phrases_of(text)
    return phrases[0].of(slot) if len(phrases) == 1 else None


def _is_silent(phrase: Found) -> bool:
    return phrase.meanings[0].slot in SILENT


def _all(phrases: list[Found], slot: Slot) -> list[str]:
    return [name for one in phrases if (name := one.of(slot))]


def _first(phrases: list[Found], slot: Slot) -> str | None:
    return next(iter(_all(phrases, slot)), None)


def _product(phrases: list[Found]) -> Found | None:
    """The first product. Of several in one compound it is the last: 딸기 생크림 케이크 is a cake."""
    first = next((index for index, one in enumerate(phrases) if one.of("kind")), None)
    if first is None:
        return None
    head = phrases[first]
    for one in phrases[first + 1 :]:
        if not (one.of("kind") and head.is_bare and one.clause == head.clause):
            break
        head = one
    return head


def _trade(phrases: list[Found]) -> str | None:
    """The first trade that is named; one that other trades' sentences name too counts last."""
    named = _all(phrases, "trade")
    return next(iter(sorted(named, key=lambda name: TRADES[name].general)), None)


def _of_noun(phrases: list[Found], slot: Slot, noun: Slot) -> dict[int, str]:
    """The names in the table of `slot` that are said of a noun, by their places.

    A phrase stands right before its noun, or after it where that is said to be so: 벽은 노란색, the wall is
    yellow.
    """
    found: dict[int, str] = {}
    for at, one in enumerate(phrases):
        if not one.of(noun):
            continue
        after = at + 1
        if is_link := after < len(phrases) and phrases[after].said in COPULAS:
            after += 1
        told = at - 1 if at and phrases[at - 1].of(slot) else after
        fits = told < at or is_link or one.said.endswith(TOPICS)
        if not fits or told >= len(phrases) or phrases[told].clause != one.clause:
            continue
        if name := phrases[told].of(slot):
            found[told] = name
    return found


def _product_colour(phrases: list[Found], product: Found | None, walls: dict[int, str]) -> str | None:
    """The colour before the product, or the first that is no wall's."""
    free = [
        (index, name)
        for index, one in enumerate(phrases)
        if (name := one.of("colour")) and index not in walls
    ]
    if product is not None:
        place = next(index for index, one in enumerate(phrases) if one is product)
        near = [pair for pair in free if pair[0] < place]
        free = near[-1:] or free
    return free[0][1] if free else None


def _light_side(phrases: list[Found]) -> str | None:
    """The side nearest to a word for light; of two that are as near, the one that something comes from."""
    told = [one for one in phrases if not one.of("filler")]
    lights = [index for index, one in enumerate(phrases) if one.of("light noun")]
    sides: list[tuple[int, bool, str]] = []
    for index, one in enumerate(phrases):
        near = [at for at in lights if abs(index - at) <= NEAR]
        if near and (name := one.of("side")):
            place = [id(other) for other in told]
            apart = min(abs(place.index(id(one)) - place.index(id(phrases[at]))) for at in near)
            came = any(other.said == "from" for other in phrases[max(0, index - 2) : index])
            sides.append((apart, not (came or one.said.endswith(FROM)), name))
    return min(sides, key=lambda side: side[:2])[2] if sides else None
