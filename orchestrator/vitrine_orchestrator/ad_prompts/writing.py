"""Writes the English prompt of a scene: what a sentence said, completed by rows of trade and product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vitrine_orchestrator.ad_prompts.kinds import KINDS
from vitrine_orchestrator.ad_prompts.props import ARTICLES, DRAWN_PROPS, PROPS, PROPS_OF
from vitrine_orchestrator.ad_prompts.reading import Said
from vitrine_orchestrator.ad_prompts.scene_words import COLOURS, DRAWN_COLOURS, TABLES, WALLS
from vitrine_orchestrator.ad_prompts.styles import NO_TEXT, PLAIN_SURFACES, STYLES
from vitrine_orchestrator.ad_prompts.trade_rows import Trade
from vitrine_orchestrator.ad_prompts.trades import TRADES

ANY_TRADE, ANY_SIZE, ANY_SIDE = "shop", "medium-sized", "left"
"""What is shown where neither the sentence nor a row says it."""


@dataclass(frozen=True)
class Scene:
    """A completed scene, with `assumed`: the fields that the sentence did not say."""

    subject: str  # the product: a kind, a prop, or the usual product of the trade
    colour: str  # empty: not told
    size: str  # empty: not told
    trade: Trade
    table: str
    wall: str
    props: tuple[str, str]
    time: str
    side: str
    style: str
    theme: str  # empty: none was asked for
    without: tuple[str, ...]  # what must not be seen
    empty: bool  # without the product, which is put into it afterwards
    is_drawn: bool  # whether the drawn shop has all of it
    assumed: tuple[str, ...]


def complete(
    said: Said, trade: str | None, style: str | None, theme: str | None, empty: bool = False
) -> Scene:
    """The scene of what was said. `trade`, `style` and `theme` are the request's own and go first."""
    kind = KINDS.get(said.kind or "")
    row = TRADES[trade or said.trade or (kind.trade if kind else ANY_TRADE)]
    shown, subject = _subject(said, row)
    hidden = [*said.without, *(prop for one in said.without for prop in PROPS_OF.get(one, ()))]
    colour = said.colour or (kind.colour if kind and kind.drawn and row.drawn else "")
    values = {
        "subject": said.kind or shown,
        "colour": said.colour,
        "size": said.size,
        "trade": trade or said.trade,
        "table": said.table,
        "wall": said.wall,
        "props": said.props if len(said.props) == 2 else None,
        "time": said.time,
        "side": said.side,
        "style": style or said.style,
    }
    scene = Scene(
        subject=subject,
        colour=colour,
        size=said.size or (ANY_SIZE if colour else ""),
        trade=row,
        table=said.table or _clear(row.tables, colour),
        wall=said.wall or _clear(row.walls, colour),
        props=_two([one for one in (*said.props, *row.props, *PROPS) if one not in (shown, *hidden)]),
        time=said.time or row.time,
        side=said.side or ANY_SIDE,
        style=style or said.style or row.style,
        theme=theme or said.theme or "",
        without=said.without,
        empty=empty,
        is_drawn=False,
        assumed=tuple(name for name, value in values.items() if not value),
    )
    return Scene(**{**vars(scene), "is_drawn": _is_drawn(scene)})


def written(scene: Scene, own_words: str | None = None) -> str:
    """The prompt. A scene of the drawn shop is one line in its words, which its checkpoint was trained on.

    A style that was asked for comes first; other scenes also name style, light and mood.
    own_words: an English sentence whose product no table knows; it is used as it is.
    """
    style, plain = STYLES[scene.style], scene.is_drawn and not own_words
    room = ", in front an empty place for the product" if scene.empty else ""
    line = own_words + room if own_words else _line(scene)
    lead = "" if plain and "style" in scene.assumed else f"{style.lead}: "
    after = [scene.theme] if plain else [*_mood(scene, bool(own_words)), style.quality, PLAIN_SURFACES]
    return ", ".join([lead + line, *(part for part in after if part)])


def negative(scene: Scene) -> str:
    """The negative prompt of the scene's style, then what the sentence does not want."""
    return ", ".join([NO_TEXT, STYLES[scene.style].avoid, *map(_bare, scene.without)])


def _line(scene: Scene) -> str:
    """The scene in the form of the drawn shop's prompts."""
    if scene.empty:
        table = scene.table if scene.is_drawn else f"empty {scene.table}"
        return f"{_article(table)} {table} table{_surroundings(scene)}"
    product = " ".join(filter(None, (scene.size, scene.colour, scene.subject)))
    product = product if scene.subject in PROPS else f"{_article(product)} {product}"  # as "tulips"
    return f"{product} on {_article(scene.table)} {scene.table} table{_surroundings(scene)}"


def _surroundings(scene: Scene) -> str:
    first, second = scene.props
    return (
        f" in {_article(scene.trade.name)} {scene.trade.name}, with {first} and {second},"
        f" {scene.wall} wall, {scene.time} light from the {scene.side}"
    )


def _mood(scene: Scene, with_place: bool) -> list[str]:
    row = scene.trade
    place = f"in {_article(row.name)} {row.name}" if with_place and "trade" not in scene.assumed else ""
    return [place, row.lighting, scene.theme or row.theme]


def _subject(said: Said, row: Trade) -> tuple[str | None, str]:
    """The prop that takes the product's place, if one does, and the product's words."""
    if said.kind:
        return None, said.kind
    if said.props:
        shown = said.props[0]
        return shown, _bare(shown)
    return None, row.subject


def _bare(words: str) -> str:
    """The words without their article."""
    return next((words.removeprefix(one) for one in ARTICLES if words.startswith(one)), words)


def _clear(surfaces: Sequence[str], colour: str) -> str:
    """The first surface from which a product of that colour stands out."""
    clashes = COLOURS[colour].clashes if colour else ()
    return next((one for one in surfaces if one not in clashes), surfaces[0])


def _two(props: Sequence[str]) -> tuple[str, str]:
    first, second, *_ = dict.fromkeys(props)
    return first, second


def _is_drawn(scene: Scene) -> bool:
    kind = KINDS.get(scene.subject)
    product = kind is not None and kind.drawn and scene.colour in DRAWN_COLOURS
    return (
        (product or scene.empty)
        and scene.trade.drawn
        and scene.table in TABLES
        and scene.wall in WALLS
        and set(scene.props) <= set(DRAWN_PROPS)
    )


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"
