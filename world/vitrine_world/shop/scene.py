"""A sample as groups of layers in picture coordinates: what colours, truth and free areas all come from."""

from dataclasses import dataclass

import numpy as np

from vitrine_world.shop.daylight import DROP, SIDES, TIMES
from vitrine_world.shop.emblems import EMBLEMS
from vitrine_world.shop.outlines import Points, box, moved, oval, stroke
from vitrine_world.shop.palette import TONES, Colour, product_tones
from vitrine_world.shop.parts import Parts
from vitrine_world.shop.products import KINDS
from vitrine_world.shop.props import PROPS
from vitrine_world.shop.sampling import SIZES, Facts, Sample
from vitrine_world.shop.trades import TABLES, TRADES, WALLS

TABLE_EDGE = 6.0
"""Height of the table's front, in centi-pictures."""

DROP_SHADOW = (1.2, -1.4)
"""How far decoration throws its shadow on the wall, away from the light and down."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A filled outline in picture coordinates; `shade` as in Part."""

    outline: Points
    colour: Colour
    shade: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """All layers of a sample, from the back to the front, and the outlines of its shadows.

    `ground` are wall and table without any detail, `grain` the table's detail and its edges.
    """

    ground: tuple[Layer, ...]
    grain: tuple[Layer, ...]
    decoration: tuple[Layer, ...]
    props: tuple[Layer, ...]
    product: tuple[Layer, ...]
    wall_shadow: tuple[Points, ...]
    props_shadow: tuple[Points, ...]
    product_shadow: tuple[Points, ...]


def scene(sample: Sample) -> Scene:
    """Return the scene of a sample."""
    facts, layout = sample.facts, sample.layout
    product = _product(sample)
    decoration = _layers(TRADES[facts.trade].decoration, TONES, mirror=_mirrored(sample))
    props: list[Layer] = []
    thrown: list[Points] = []
    for name, (x, base) in zip(facts.props, layout.props, strict=True):
        standing = _standing(PROPS[name].parts, TONES, _x(sample, x), base)
        props += standing
        thrown += shadow(facts, standing, _x(sample, x), base, PROPS[name].half_width)
    x = _x(sample, layout.x)
    width = KINDS[facts.kind].half_width * SIZES[facts.size][1]
    away = SIDES[facts.light].away
    return Scene(
        ground=_ground(sample),
        grain=_grain(sample),
        decoration=decoration,
        props=tuple(props),
        product=product,
        wall_shadow=tuple(moved(one.outline, DROP_SHADOW[0] * away, DROP_SHADOW[1]) for one in decoration),
        props_shadow=tuple(thrown),
        product_shadow=tuple(shadow(facts, product, x, layout.base, width)),
    )


def shadow(facts: Facts, layers: tuple[Layer, ...], x: float, base: float, half_width: float) -> list[Points]:
    """Return the outlines of the shadow on the table of layers that stand at (x, base)."""
    reach = TIMES[facts.time].reach * SIDES[facts.light].away
    shear = np.array([[1.0, 0.0], [reach, -DROP]])
    thrown = [(one.outline - (0.0, base)) @ shear + (0.0, base) for one in layers]
    return [*thrown, oval(x, base + 0.2, half_width * 0.95, 1.5)]


def shadow_direction(facts: Facts) -> tuple[float, float]:
    """Return where the shadow of a point of height 1 lies, as (x to the right, y down) from below it."""
    return TIMES[facts.time].reach * SIDES[facts.light].away, DROP


def _ground(sample: Sample) -> tuple[Layer, ...]:
    wall, table = WALLS[sample.facts.wall].colour, TABLES[sample.facts.table].colour
    return (
        Layer(box(-1, -1, 101, 101), wall),
        Layer(box(-1, -1, 101, sample.layout.horizon), table),
    )


def _grain(sample: Sample) -> tuple[Layer, ...]:
    """Return the table's far edge, its front, and a few lines along it."""
    table, horizon = TABLES[sample.facts.table], sample.layout.horizon
    lines = (
        box(-1, horizon - 0.9, 101, horizon),
        box(-1, -1, 101, TABLE_EDGE),
        stroke(0.7, (4, 30), (30, 30)),
        stroke(0.7, (40, 22.5), (64, 22.5)),
        stroke(0.7, (70, 12), (97, 12)),
        stroke(0.7, (6, 10.5), (24, 10.5)),
    )
    return tuple(Layer(line, table.grain) for line in lines)


def _product(sample: Sample) -> tuple[Layer, ...]:
    """Return the product with its trade's sign on it."""
    facts, layout = sample.facts, sample.layout
    kind, tones, scale = KINDS[facts.kind], product_tones(facts.colour), SIZES[facts.size][1]
    x = _x(sample, layout.x)
    layers = _standing(kind.parts, tones, x, layout.base, scale)
    across, up, radius = kind.emblem
    signs = EMBLEMS[TRADES[facts.trade].emblem] if radius else ()
    printed = (moved(sign, x + scale * across, layout.base + scale * up, scale * radius) for sign in signs)
    return (*layers, *(Layer(outline, tones[kind.sign]) for outline in printed))


def _standing(
    parts: Parts, tones: dict[str, Colour], x: float, base: float, scale: float = 1.0
) -> tuple[Layer, ...]:
    return tuple(
        Layer(moved(part.outline, x, base, scale), tones[part.tone], part.shade * scale) for part in parts
    )


def _layers(parts: Parts, tones: dict[str, Colour], mirror: bool) -> tuple[Layer, ...]:
    flip, origin = ((-1.0, 1.0), (100.0, 0.0)) if mirror else ((1.0, 1.0), (0.0, 0.0))
    return tuple(Layer(part.outline * flip + origin, tones[part.tone], part.shade) for part in parts)


def _mirrored(sample: Sample) -> bool:
    return sample.layout.place == "right"


def _x(sample: Sample, x: float) -> float:
    """Convert an x of the layout to the picture."""
    return 100.0 - x if _mirrored(sample) else x
