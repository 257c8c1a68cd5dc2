"""Contrast of ink on a picture, by WCAG 2, and the scrim that makes it large enough.

Luminance is relative luminance of sRGB (WCAG 2.2, "relative luminance"), 0 for black and 1 for white. The
contrast of a pixel is (lighter + .05) / (darker + .05). A text over a photograph has one contrast in each
pixel; what counts is the 5th percentile, since the worst letters decide whether it can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Colour = tuple[int, int, int]
"""Red, green and blue of sRGB, 0 to 255."""

ENOUGH = 4.5
"""The contrast that WCAG's level AA asks of text."""
BUSY = 0.06
"""The deviation of luminance from which ground is busy."""
SPARE = 0.1
"""How much more than is needed scrims are computed for: rounding to 8 bits takes a little of it."""
LOW = 5
"""The percentile of pixels that must have the contrast."""
PLENTY, LOWEST = 7.0, 1
"""The contrast of WCAG's level AAA, and the percentile that must have it on busy ground: thin dark or light
lines are few of the pixels, but they cross the letters."""
WHITE, BLACK = (255, 255, 255), (17, 17, 17)
INKS: tuple[Colour, ...] = (WHITE, BLACK)
"""The colours of text to choose from where the caller gives none."""
STEP = 1 / 64
"""How a scrim's opacity grows where the closed form is not quite enough."""
MOST_PIXELS = 50_000
"""Contrasts are computed from at most so many pixels of a box, evenly chosen."""

_LINEAR = np.array(
    [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.arange(256) / 255], np.float32
)
_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Contrast:
    """How well ink stands out from the pixels around it."""

    low: float  # a low percentile of the pixels' contrasts, usually the 5th; 1 to 21
    share: float  # of the pixels with at least ENOUGH


@dataclass(frozen=True)
class Need:
    """What text needs of its ground: a contrast, and the percentile of pixels that must have it."""

    ratio: float = ENOUGH
    percentile: int = LOW


@dataclass(frozen=True)
class Scrim:
    """A veil of one colour between picture and ink."""

    colour: Colour
    opacity: float  # in linear light, 0 to 1


def linear(levels: NDArray[np.uint8]) -> Array:
    """sRGB levels in linear light, 0 to 1, of the same shape."""
    return _LINEAR.take(levels)


def levels(light: Array) -> NDArray[np.uint8]:
    """Linear light (0 to 1) as the nearest sRGB levels, of the same shape."""
    clipped = np.clip(light, 0, 1)
    curved = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)


def luminance(light: Array) -> Array:
    """Relative luminance (...) of linear light (..., 3)."""
    return light @ _WEIGHTS


def luminance_of(colour: Colour) -> float:
    """Relative luminance of one colour."""
    return float(luminance(linear(np.array(colour, np.uint8))))


def contrast_of_colours(one: Colour, other: Colour) -> float:
    """The contrast of two colours, 1 to 21."""
    dark, light = sorted((luminance_of(one), luminance_of(other)))
    return (light + 0.05) / (dark + 0.05)


def contrast(ground: Array, ink: Colour, opacity: float = 1.0, percentile: int = LOW) -> Contrast:
    """The contrast of ink on pixels of these luminances (n,); of a larger n, MOST_PIXELS are looked at.

    Ink that is not opaque is blended with each pixel, in linear light, before it is compared with it.
    """
    seen = ground[:: max(1, len(ground) // MOST_PIXELS)]
    mixed = opacity * luminance_of(ink) + (1 - opacity) * seen
    found = (np.maximum(mixed, seen) + 0.05) / (np.minimum(mixed, seen) + 0.05)
    return Contrast(float(np.percentile(found, percentile)), float((found >= ENOUGH).mean()))


def best_ink(ground: Array, inks: Sequence[Colour], opacity: float = 1.0) -> Colour:
    """The one of the colours with the largest contrast on these luminances."""
    return max(inks, key=lambda ink: contrast(ground, ink, opacity).low)


def needed(ground: Array) -> Need:
    """What text needs on pixels of these luminances (n,); more on busy ground."""
    return Need(PLENTY, LOWEST) if float(ground.std()) > BUSY else Need()


def scrim_for(
    ground: Array, inks: Sequence[Colour], opacity: float = 1.0, need: Need = Need()
) -> tuple[Colour, Scrim] | None:
    """The ink and the faintest scrim, black or white, that give a contrast; None where no scrim does.

    ground: luminances (n,) of the pixels under the text.
    """
    pairs = [(ink, veil) for ink in inks for veil in ((0, 0, 0), (255, 255, 255))]
    found = [(ink, _least(ground, ink, veil, opacity, need)) for ink, veil in pairs]
    able = [(ink, scrim) for ink, scrim in found if scrim is not None]
    return min(able, key=lambda pair: pair[1].opacity, default=None)


def _least(ground: Array, ink: Colour, veil: Colour, opacity: float, need: Need) -> Scrim | None:
    """The least scrim of a colour; None where an opaque one is not enough.

    For opaque ink in closed form: under light ink a high percentile of the luminances L must fall to
    T = (ink + .05) / aim - .05, so that 1 - T / L is needed; dark ink mirrors it.
    """
    light, toward, aim = luminance_of(ink), luminance_of(veil), need.ratio + SPARE
    if toward < light:
        bound, extreme = (light + 0.05) / aim - 0.05, float(np.percentile(ground, 100 - need.percentile))
        least = 1 - bound / max(extreme, 1e-6)
    else:
        bound, extreme = (light + 0.05) * aim - 0.05, float(np.percentile(ground, need.percentile))
        least = (bound - extreme) / max(1 - extreme, 1e-6)
    for step in range(int(np.clip(least, 0, 1) / STEP), int(1 / STEP) + 1):
        share = step * STEP
        veiled = ground + np.float32(share) * (np.float32(toward) - ground)
        enough = aim if share < 1 else need.ratio  # an opaque scrim is not rounded
        if contrast(veiled, ink, opacity, need.percentile).low >= enough:
            return Scrim(veil, share)
    return None
