"""Words for a CLIP score, as the old ad server gave them.

They are a rule of thumb for CLIP's released networks: scores of different networks are not on one scale, and
only differences between scores of one network say something reliable (docs/scores.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BANDS = (
    (0.30, "the picture shows what the text says"),
    (0.25, "the picture fits the text well"),
    (0.20, "the picture fits the text in part"),
    (-1.0, "the picture hardly fits the text"),
)
"""By the lowest cosine, the highest first."""


def interpretation(cosine: float) -> str:
    """Return the words for a cosine in -1 to 1."""
    return next((words for lowest, words in BANDS if cosine >= lowest), BANDS[-1][1])


def first_score(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the score of the first picture with the first prompt from the result of a job of `score`."""
    cosine = result["cosine"][0][0]
    return {
        "score": cosine,
        "clipscore": result["clipscore"][0][0],
        "model": result["model"],
        "interpretation": interpretation(cosine),
    }
