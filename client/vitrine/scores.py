"""The call `score`: how well pictures fit prompts. Its inputs and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

import numpy as np

from vitrine.answers import read_report
from vitrine.errors import BadRequest, VitrineError
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors, byte_tensor, utf8
from vitrine.pictures import Picture, encode_pictures
from vitrine.tensors import listed


class ScoreOptions(TypedDict, total=False):
    """The options of `score`: one or several of each, at most 16."""

    picture: Required[Picture | Sequence[Picture]]
    prompt: Required[str | Sequence[str]]


@dataclass(frozen=True)
class ReadPrompt:
    """What CLIP read of a prompt: it reads 77 tokens."""

    prompt: str
    scored: str  # the part that was compared
    tokens: int  # of the whole prompt, start and end included
    cut: str  # "no", "clause": clauses at its end were left out, or "token": it was cut within its first one


@dataclass(frozen=True)
class Scores:
    """Scores of every picture with every prompt: arrays (pictures, prompts), read-only."""

    cosine: np.ndarray  # float32 in [-1, 1]: the raw score
    variants: Mapping[str, np.ndarray]  # float64 by name: "clipscore" and "torchmetrics", see docs/scores.md
    prompts: tuple[ReadPrompt, ...]
    model: str  # scores of different models cannot be compared
    report: Mapping[str, Any]  # the whole report of the server, such as preprocessing and versions

    @property
    def best(self) -> tuple[int, ...]:
        """For each picture, the index of the prompt that fits best."""
        return tuple(int(index) for index in self.cosine.argmax(axis=1))


def score_inputs(
    *, picture: Picture | Sequence[Picture], prompt: str | Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `score`; see ScoreOptions."""
    prompts = listed("prompt", prompt)
    pictures = encode_pictures(picture, "picture")
    if not prompts or not pictures:
        raise BadRequest(f"score needs a picture and a prompt, got {len(pictures)} and {len(prompts)}")
    return {
        "image": byte_tensor(pictures),
        "prompt": byte_tensor(utf8("prompt", one) for one in prompts),
    }


def read_scores(outputs: Tensors) -> Scores:
    """Read the outputs of `score`; VitrineError for an answer that cannot be read."""
    report = read_report(outputs)
    try:
        return Scores(
            cosine=_fixed(outputs["cosine"]),
            variants=FrozenDict({name: _fixed(rows) for name, rows in report["variants"].items()}),
            prompts=tuple(ReadPrompt(**one) for one in report["prompts"]),
            model=report["model"],
            report=FrozenDict(report),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VitrineError(f"the server's scores cannot be read: {error!r}") from error


def _fixed(numbers: Any) -> np.ndarray:
    array = np.array(numbers)
    array.setflags(write=False)
    return array
