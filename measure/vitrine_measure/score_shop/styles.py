"""How often the checker recognises a style in what the generator draws, with its LoRA and without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vitrine_world import shop

NAMES = tuple(name for name in shop.STYLES if name != "plain")
"""The styles that LoRA files are trained on."""
BATCH = 16


def recognised(checkpoint: Path, samples: Sequence[shop.Sample]) -> dict[str, float]:
    """Return by style the share of pictures that the checker reads it from, and that without the LoRA.

    Prompts have the style's words in both cases, so what differs is the LoRA alone.
    """
    from vitrine_export.training.shop.save import open_checker

    from vitrine_measure.score_shop.pictures import drawn

    checker, shares = open_checker(checkpoint), {}
    for name in NAMES:
        prompts = tuple(shop.prompt(made.facts, style=name) for made in samples)
        for figure, lora in ((name, name), (f"{name}_without", None)):
            pictures = drawn(checkpoint, prompts, lora).split(BATCH)
            read = [one["style"] for pixels in pictures for one in checker.read(pixels)]
            shares[figure] = read.count(name) / len(read)
    return shares
