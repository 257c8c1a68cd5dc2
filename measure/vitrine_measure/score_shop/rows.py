"""What is scored, one row each: a function of the unseen samples and the checkpoint gives its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vitrine_world import shop

from vitrine_measure.score_shop import clip, styles
from vitrine_measure.score_shop.figures import accuracy, alpha_figures

BATCH = 16
"""Pictures of one call of a network."""

Figures = Mapping[str, float]


def world(seed: int, count: int) -> list[shop.Sample]:
    """Return the first samples of a seed."""
    return [shop.sample(seed, index) for index in range(count)]


@dataclass(frozen=True)
class Row:
    """One row of the score: its name, its figures, and the gates that each must keep (≥, or ≤ for errors)."""

    name: str
    score: Callable[[Path, Sequence[shop.Sample]], Figures]
    least: Mapping[str, float]
    most: Mapping[str, float]
    samples: Callable[[int, int], Sequence[shop.Sample]] = world
    """Gives the samples of a seed, so many of them."""
    parts: tuple[str, ...] = ()
    """Folders without which a checkpoint is not scored by this row; (): it must have what is scored."""

    def asked(self, checkpoint: Path) -> bool:
        """Return whether the checkpoint is scored by this row."""
        return all((checkpoint / part).is_dir() for part in self.parts)

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
    found: list[np.ndarray] = []
    for pictures in _batches(one.picture for one in drawn):
        seen = normalised(signed(pictures) / 2.0 + 0.5).numpy()
        found.extend(session.run(None, {name: seen})[0][:, 0])
    return alpha_figures(found, [one.alpha / 255.0 for one in drawn])


def vae(checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return the mean absolute error of plain pictures after the VAE, as a share of the range."""
    import torch
    from vitrine_export.checkpoint.ads import open_ads
    from vitrine_export.training.shop.pictures import signed

    codec, errors = open_ads(checkpoint).load("vae"), []
    for pictures in _batches(shop.draw(made).picture for made in samples):
        pixels = signed(pictures)
        with torch.no_grad():
            again = codec.decode(codec.encode(pixels).latent_dist.mode()).sample.clamp(-1.0, 1.0)
        errors += (again - pixels).abs().mean(dim=(1, 2, 3)).tolist()
    return {"error": float(np.mean(errors)) / 2.0}


def generator(checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return how often the checker reads from a drawn picture what its prompt, English, asked for."""
    from vitrine_export.training.shop.save import open_checker

    from vitrine_measure.score_shop.pictures import drawn

    checker, prompts = open_checker(checkpoint), tuple(shop.prompt(made.facts) for made in samples)
    found = [one for pixels in drawn(checkpoint, prompts).split(BATCH) for one in checker.read(pixels)]
    return accuracy(found, [truth(made) for made in samples])


def truth(made: shop.Sample) -> dict[str, str]:
    """Return what the checker should read from a plain picture, without the style."""
    return {name: getattr(made.facts, name) for name in ASKED}


def _batches(arrays: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Stack the arrays, BATCH at a time."""
    held = list(arrays)
    for start in range(0, len(held), BATCH):
        yield np.stack(held[start : start + BATCH])


ASKED = ("kind", "colour", "trade", "light")
READ = (*ASKED, "style")
ROWS = (
    Row("checker on true pictures", checker_on_true_pictures, dict.fromkeys(READ, 0.98), {}),
    Row("cut-out", cut_out, {"overlap": 0.97}, {"alpha_error": 0.015}),
    Row("vae", vae, {}, {"error": 0.015}, parts=("vae",)),
    Row("generator", generator, dict.fromkeys(ASKED, 0.9), {}, parts=("transformer",)),
    Row("clip on drawn pictures", clip.on_drawn, dict.fromkeys(shop.LANGUAGES, 0.95), {}, parts=("clip",)),
    Row(
        "clip on generated pictures",
        clip.on_generated,
        dict.fromkeys(shop.LANGUAGES, 0.9),
        {},
        parts=("clip", "transformer"),
    ),
    Row(
        "styles",
        styles.recognised,
        dict.fromkeys(styles.NAMES, 0.9),
        {f"{name}_without": 0.1 for name in styles.NAMES},
        parts=("loras", "transformer"),
    ),
)
"""The gates are those that the project set itself for the shop."""


def least(name: str) -> Mapping[str, float]:
    """Return the lower gates of a row."""
    return next(row.least for row in ROWS if row.name == name)


def most(name: str) -> Mapping[str, float]:
    """Return the upper gates of a row."""
    return next(row.most for row in ROWS if row.name == name)
