"""How often CLIP picks the right prompt of 8: the true one, and seven that are wrong in one fact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from vitrine_world import shop

if TYPE_CHECKING:
    from torch import Tensor

DICE = 8
"""The seed of the wrong prompts; they also depend on the sample's place."""


def on_drawn(checkpoint: Path, samples: Sequence[shop.Sample]) -> dict[str, float]:
    """Return the share of plain drawings whose true prompt has the largest cosine of 8, by language."""
    pictures = [shop.draw(made).picture for made in samples]
    return _picked(checkpoint, samples, pictures)


def on_generated(checkpoint: Path, samples: Sequence[shop.Sample]) -> dict[str, float]:
    """Return the same of the generator's pictures of the English prompts."""
    from vitrine_measure.score_shop.pictures import as_bytes, drawn

    made = drawn(checkpoint, tuple(shop.prompt(one.facts) for one in samples))
    return _picked(checkpoint, samples, list(as_bytes(made)))


def choices(made: shop.Sample, number: int) -> tuple[list[shop.Facts], int]:
    """Return eight facts, seven of them near misses, and the place of the true ones among them.

    They depend on the sample and its number. The place is drawn, so that a tie does not choose the truth.
    """
    rng = np.random.default_rng([DICE, number])
    eight = shop.near_misses(made.facts, shop.SEVEN, rng)
    place = int(rng.integers(len(eight) + 1))
    return [*eight[:place], made.facts, *eight[place:]], place


def _picked(
    checkpoint: Path, samples: Sequence[shop.Sample], pictures: Sequence[np.ndarray]
) -> dict[str, float]:
    judge, asked = Judge(checkpoint), [choices(made, number) for number, made in enumerate(samples)]
    shown = [judge.picture(one) for one in pictures]
    found = {}
    for language in shop.LANGUAGES:
        right = [
            int((judge.texts([shop.prompt(facts, language) for facts in eight]) @ one).argmax()) == place
            for one, (eight, place) in zip(shown, asked, strict=True)
        ]
        found[language] = float(np.mean(right))
    return found


class Judge:
    """The towers of a checkpoint's CLIP as they are exported, with the server's preparation of pictures."""

    def __init__(self, checkpoint: Path) -> None:
        """Open `checkpoint`/clip. Raises BadCheckpoint for missing or damaged files."""
        from transformers import AutoTokenizer
        from vitrine_export.checkpoint.clip import open_clip
        from vitrine_export.exporting.clip import PictureTower, TextTower
        from vitrine_export.training.shop.save import CLIP_FOLDER

        opened = open_clip(checkpoint / CLIP_FOLDER)
        self._picture, self._text = PictureTower(opened.load("vision")), TextTower(opened.load("text"))
        self._words = AutoTokenizer.from_pretrained(opened.folder, trust_remote_code=False)

    def picture(self, pixels: np.ndarray) -> Tensor:
        """Return the direction (P,) of a picture (H, W, 3) uint8 RGB."""
        import torch
        from vitrine_orchestrator.images.clip import pixel_values

        with torch.no_grad():
            (found,) = self._picture(torch.from_numpy(pixel_values(pixels))[None])
        return found / found.norm()

    def texts(self, prompts: Sequence[str]) -> Tensor:
        """Return the directions (R, P) of prompts."""
        import torch

        ids = self._words(list(prompts), padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            found = self._text(ids)
        return found / found.norm(dim=1, keepdim=True)
