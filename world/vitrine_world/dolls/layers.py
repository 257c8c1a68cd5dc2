"""A picture as flat layers, painted in order: the one description that colours and truth both come from."""

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
    """A filled polygon in body units, perhaps printed; nothing of the print shows outside it.

    `label` is what the pixels are called: an ATR label in scenes, a DensePose label in bodies.
    """

    outline: Points
    colour: Colour
    label: int
    print: Print | None = None
