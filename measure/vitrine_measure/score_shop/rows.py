"""What is scored, one row each: a function of the unseen samples and the checkpoint gives its figures.

Pictures of a generator are one more row: they are read by the same checker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vitrine_world import shop

from vitrine_measure.score_shop.figures import accuracy, alpha_error, overlap

BATCH = 16
"""Pictures of one call of a network."""

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One row of the score: its name, its figures, and the gates that each must keep (≥, or ≤ for errors)."""

    name: str
    score: Callable[[Path, Sequence[shop.Sample]], Figures]
    least: Mapping[str, float]
    most: Mapping[str, float]

    def missed(self, figures: Figures) -> list[str]:
        """Return one line for each figure that is outside its limit."""
        low = [f"{name} must be at least {gate}" for name, gate in self.least.items() if figures[name] < gate]
        high = [f"{name} must be at most {gate}" for name, gate in self.most.items() if figures[name] > gate]
        return [f"{self.name}: {line}, got {figures[line.split()[0]]:.4f}" for line in (*low, *high)]


def checker_on_true_pictures(checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return the checker's accuracy on true pictures: `style` over all styles, the others over plain ones."""
    from vitrine_export.training.shop.pictures import signed
    from vitrine_export.training.shop.save import open_checker

    checker = open_checker(checkpoint)

    def read(style: str) -> list[dict[str, str]]:
        pictures = (shop.draw(made, style=style).picture for made in samples)
        return [found for batch in _batches(pictures) for found in checker.read(signed(batch))]

    by_style = {style: read(style) for style in shop.STYLES}
    plain = accuracy(by_style["plain"], [truth(made) for made in samples])
    styles = [{"style": one["style"]} for found in by_style.values() for one in found]
    true = [{"style": style} for style in by_style for _ in samples]
    return {**plain, **accuracy(styles, true)}


def cut_out(checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return the errors of the product's alpha by the checkpoint's ONNX file, on plain pictures."""
    import onnxruntime
    from vitrine_export.training.shop.cut_out import normalised
    from vitrine_export.training.shop.pictures import signed
    from vitrine_export.training.shop.save import cut_out_file

    session = onnxruntime.InferenceSession(cut_out_file(checkpoint), providers=["CPUExecutionProvider"])
    (name,) = (taken.name for taken in session.get_inputs())
    drawn = [shop.draw(made) for made in samples]
    errors, overlaps = [], []
    alphas = _batches(one.alpha for one in drawn)
    for pictures, true in zip(_batches(one.picture for one in drawn), alphas, strict=True):
        seen = normalised(signed(pictures) / 2.0 + 0.5).numpy()
        found, truths = session.run(None, {name: seen})[0][:, 0], true / 255.0
        errors += [alpha_error(*pair) for pair in zip(found, truths, strict=True)]
        overlaps += [overlap(*pair) for pair in zip(found, truths, strict=True)]
    return {"alpha_error": float(np.mean(errors)), "overlap": float(np.mean(overlaps))}


def truth(made: shop.Sample) -> dict[str, str]:
    """Return what the checker should read from a plain picture, without the style."""
    return {name: getattr(made.facts, name) for name in ("kind", "colour", "trade", "light")}


def _batches(arrays: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Stack the arrays, BATCH at a time."""
    held = list(arrays)
    for start in range(0, len(held), BATCH):
        yield np.stack(held[start : start + BATCH])


READ = ("kind", "colour", "trade", "light", "style")
ROWS = (
    Row("checker on true pictures", checker_on_true_pictures, dict.fromkeys(READ, 0.98), {}),
    Row("cut-out", cut_out, {"overlap": 0.97}, {"alpha_error": 0.015}),
)
"""The gates are those that the project set itself for the shop."""
