"""A picture as flat layers, painted in order: the one description that colours and truth both come from."""

from dataclasses import dataclass

from vitrine_export.dolls.palette import Colour
from vitrine_export.dolls.shapes import Points


@dataclass(frozen=True)
class Layer:
    """A filled polygon in body units.

    `label` is what the pixels are called: an ATR label in scenes, a DensePose label in bodies. `prints`
    (polygons, corners, 2) lie on the layer only, in `print_colour`.
    """

    outline: Points
    colour: Colour
    label: int
    prints: Points | None = None
    print_colour: Colour | None = None
