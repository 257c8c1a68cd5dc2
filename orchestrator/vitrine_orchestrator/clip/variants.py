"""The named scores that others make of CLIP's cosine.

A number is comparable only with numbers of the same variant and the same model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Variant:
    """A score: weight · max(cosine, 0), with `prefix` before the prompt."""

    weight: float
    prefix: str = ""

    def of(self, cosine: np.ndarray) -> np.ndarray:
        """The scores of cosines, of the same shape."""
        return self.weight * np.maximum(cosine, 0)


VARIANTS = {
    "clipscore": Variant(2.5, "A photo depicts "),
    "torchmetrics": Variant(100.0),
}
"""By name: CLIPScore of Hessel et al. 2021 (2.5 · max(cos, 0), with its prefix, about 0 to 1), and what the
package torchmetrics calls CLIPScore (max(100 · cos, 0), 0 to 100)."""
