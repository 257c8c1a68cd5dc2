"""A picture as polygons that are painted in order; colours and labels are drawn from the same polygons."""

from dataclasses import dataclass

from vitrine_world.dolls.palette import Colour
from vitrine_world.dolls.shapes import Points


@dataclass(frozen=True)
class Print:
    """Polygons (polygons, corners, 2) of one colour, in the plane of the layer that they are printed on."""

    shapes: Points
    colour: Colour


@dataclass(frozen=True)
class Layer:
    """A filled polygon in body units, with a pattern that is clipped to it, or None.

    `label` is the label of its pixels: ATR in `scene`, DensePose in `bare_body`.
    """

    outline: Points
    colour: Colour
    label: int
    print: Print | None = None
