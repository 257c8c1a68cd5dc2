"""From a network's answer to the alpha of the product, and the check that there is a product at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

Array = NDArray[np.float32]

SURE = 0.5
"""The largest value that a mask must reach, and the value from which a pixel counts as product."""
LEAST_SHARE = 0.005
"""The least share of the pixels that must count as product."""
ADVICE = "send a picture that shows the product larger and free of others, or the box in which it is"


def alpha_of(answer: Array, form: str) -> Array:
    """The alpha (height, width) in 0 to 1 of a network's answer in the named form.

    Raises BadRequest when it shows no product: a faint answer is never stretched to a full mask.
    """
    chances = CHANCES[form](answer)
    check_product(chances)
    return _stretched(chances) if form in STRETCHED else chances


def check_product(chances: Array, where: str = "") -> None:
    """BadRequest unless values of 0 to 1 show a product; `where` says of which part they are."""
    largest, share = float(chances.max()), float((chances >= SURE).mean())
    if largest < SURE:
        raise BadRequest(
            f"image must show a product, no product found{where}: the mask's largest value must be at least "
            f"{SURE}, got {largest:.2f}; {ADVICE}"
        )
    if share < LEAST_SHARE:
        raise BadRequest(
            f"image must show a product, no product found{where}: it must fill at least {LEAST_SHARE:.1%} "
            f"of the picture, got {share:.2%}; {ADVICE}"
        )


def _clipped(answer: Array) -> Array:
    return np.clip(answer, 0, 1)


def _sigmoid(answer: Array) -> Array:
    return np.reciprocal(np.float32(1) + np.exp(-np.clip(answer, -30, 30)), dtype=np.float32)


def _stretched(chances: Array) -> Array:
    low, high = float(chances.min()), float(chances.max())
    return (chances - np.float32(low)) / np.float32(max(high - low, SURE))


CHANCES: dict[str, Callable[[Array], Array]] = {
    "probability": _clipped,
    "min-max": _clipped,
    "logits": _sigmoid,
}
"""By the form of a network's answer: what turns it into values of 0 to 1."""
STRETCHED = ("min-max",)
"""The forms whose released code stretches the values to the whole range of 0 to 1."""
