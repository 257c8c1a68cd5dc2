"""The shop's figures over the wire: pictures and cut-outs of a running server, judged as local ones are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm
from vitrine import Vitrine
from vitrine_world import shop

from vitrine_measure.score_shop.figures import accuracy, alpha_figures
from vitrine_measure.score_shop.rows import Figures, Row, least, most, truth

AT_ONCE = 8
"""Requests in flight."""
T = TypeVar("T")


def served_rows(url: str) -> tuple[Row, ...]:
    """Return the rows of a server at a gRPC address; it should serve the checkpoint that is scored."""
    return (
        Row("generator over the wire", partial(_generator, url), least("generator"), {}),
        Row("cut-out over the wire", partial(_cut_out, url), least("cut-out"), most("cut-out")),
    )


def _generator(url: str, checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return how often the checker of `checkpoint` reads from a served picture what its prompt asked for."""
    from vitrine_export.training.shop.pictures import signed
    from vitrine_export.training.shop.save import open_checker

    def picture(client: Vitrine, number: int) -> np.ndarray:
        prompt = shop.prompt(samples[number].facts)
        return np.asarray(client.text_to_image(prompt=prompt, seed=number).image.convert("RGB"))

    checker = open_checker(checkpoint)
    pictures = _asked(url, picture, len(samples), "pictures")
    found = [checker.read(signed(one[None]))[0] for one in pictures]
    return accuracy(found, [truth(made) for made in samples])


def _cut_out(url: str, checkpoint: Path, samples: Sequence[shop.Sample]) -> Figures:
    """Return the errors of the alphas that the server answers, on plain pictures."""

    def alpha(client: Vitrine, number: int) -> np.ndarray:
        picture = Image.fromarray(shop.draw(samples[number]).picture)
        return np.asarray(client.cut_out(picture).alpha) / 255.0

    found = _asked(url, alpha, len(samples), "cut-outs")
    return alpha_figures(found, [shop.draw(made).alpha / 255.0 for made in samples])


def _asked(url: str, ask: Callable[[Vitrine, int], T], count: int, name: str) -> list[T]:
    """Return ask(client, number) of all numbers below `count`, AT_ONCE of them at the same time."""
    with Vitrine(url) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(partial(ask, client), range(count))
        return list(tqdm(answers, name, count, mininterval=2, disable=None))
