"""What drawn things are made of: parts as data, in the thing's own coordinates."""

from dataclasses import dataclass

from vitrine_world.shop.outlines import Points


@dataclass(frozen=True, eq=False)
class Part:
    """A filled outline (n, 2) in a tone.

    `shade` is the width in centi-pictures of the darker strip on the side away from the light; 0 is flat.
    """

    outline: Points
    tone: str
    shade: float = 0.0


Parts = tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that stands on the table: words, parts with (0, 0) below its middle, half its width.

    The English words have their article where the language wants one.
    """

    english: str
    korean: str
    half_width: float
    parts: Parts
