"""Light in proportion: sRGB levels as linear light and back (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]  # 0 to 1


def _linear(levels: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


LINEAR: Light = _linear(np.arange(256) / 255.0).astype(np.float32)
"""The light of each level."""
_GRID = 2**16
_LEVELS = np.searchsorted(_linear((np.arange(255) + 0.5) / 255.0), np.linspace(0.0, 1.0, _GRID + 1)).astype(
    np.uint8
)
"""The nearest level of light in equal steps, so fine that every level comes back as itself."""


def light_of(levels: NDArray[np.uint8]) -> Light:
    """Linear light 0 to 1 of sRGB levels, in the same shape."""
    return LINEAR[levels]


def levels_of(light: Light) -> NDArray[np.uint8]:
    """The sRGB levels of linear light, which is cut to 0 to 1."""
    places = np.clip(light, 0.0, 1.0) * np.float32(_GRID)
    return _LEVELS[np.rint(places).astype(np.int32)]


def log_luminance(picture: NDArray[np.uint8]) -> Light:
    """The natural logarithm of a picture's luminance (ITU-R BT.709), at least that of DARK."""
    luminance = light_of(picture) @ np.array((0.2126, 0.7152, 0.0722), np.float32)
    return np.log(np.maximum(luminance, np.float32(DARK)))


DARK = 0.004
"""The luminance below which a pixel tells nothing of the light."""
