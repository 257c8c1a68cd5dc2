"""The pipeline `score`: how well each picture fits each prompt, by CLIP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.clip.context import ScoreContext
from vitrine_orchestrator.clip.tokens import ClipTokens, Read
from vitrine_orchestrator.clip.variants import VARIANTS
from vitrine_orchestrator.images.clip import pixel_values
from vitrine_orchestrator.pictures import Picture, checked, decode
from vitrine_orchestrator.pipeline.request_context import read_aside, report_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.clip import LENGTH, SIDE
from vitrine_orchestrator.wire.fields import Inputs, pictures, texts

MOST = 16  # pictures, and prompts, of one request
MAX_PROMPT = 10_000  # characters
PREPROCESSING = (
    f"shorter side to {SIDE} px (bicubic), middle square, CLIP's mean and deviation; {LENGTH} tokens"
)
PLAIN = ""  # the prefix of the raw cosine


@dataclass(frozen=True, eq=False)
class ScoreRequest:
    """A checked request."""

    pictures: tuple[Picture, ...]
    prompts: tuple[str, ...]


async def score(context: ScoreContext, tokens: ClipTokens, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `score`; BadRequest says what is wrong with the inputs.

    `cosine` (pictures, prompts) float32 in [-1, 1]; the report has each variant's scores, what was read of
    each prompt, the model and the preprocessing.
    """
    stages = Timed(context.stages)
    with stages.measured("total"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)
        prefixes = list(dict.fromkeys([PLAIN, *(variant.prefix for variant in VARIANTS.values())]))
        read = {
            prefix: [await asyncio.to_thread(tokens, prefix, prompt) for prompt in request.prompts]
            for prefix in prefixes
        }
        everything = [one for reads in read.values() for one in reads]
        shown, said = await asyncio.gather(_pictures(stages, request.pictures), _texts(stages, everything))
        each = np.split(shown @ said.T, len(prefixes), axis=1)
    cosines = {prefix: np.clip(cosine, -1, 1) for prefix, cosine in zip(prefixes, each, strict=True)}
    variants = {name: variant.of(cosines[variant.prefix]) for name, variant in VARIANTS.items()}
    return {
        "cosine": cosines[PLAIN].astype(np.float32),
        "report": report_array(
            stages.rounded(),
            {},
            model=context.facts.model,
            preprocessing=PREPROCESSING,
            prompts=[_told(*pair) for pair in zip(request.prompts, read[PLAIN], strict=True)],
            variants={name: np.round(found, 6).tolist() for name, found in variants.items()},
            **context.origin,
        ),
    }


def read_request(context: ScoreContext, inputs: Inputs) -> ScoreRequest:
    """The request in the inputs of `score`; BadRequest names the input, the rule and the value."""
    prompts = texts(inputs, "prompt", MAX_PROMPT)
    sent, raw = pictures(inputs, "image"), inputs.get("image_raw")
    if sent and raw is not None:
        raise BadRequest("image and image_raw must not both be given")
    _check_count("image", len(sent) + (raw is not None))
    _check_count("prompt", len(prompts))
    if not all(prompts):
        raise BadRequest(f"prompt {prompts.index('')} must not be empty: say what the picture shows")
    if raw is not None:
        return ScoreRequest((checked(raw, "image_raw", context.limits),), tuple(prompts))
    return ScoreRequest(tuple(decode(one, "image", context.limits) for one in sent), tuple(prompts))


def _check_count(name: str, count: int) -> None:
    if not 1 <= count <= MOST:
        raise BadRequest(f"{name} must be 1 to {MOST} in one request, got {count}")


def _told(prompt: str, read: Read) -> dict[str, object]:
    """The report's entry of a prompt."""
    return {"prompt": prompt, "scored": read.text, "tokens": read.tokens, "cut": read.cut}


async def _pictures(stages: Timed, found: Sequence[Picture]) -> np.ndarray:
    """The directions (P, width) of pictures."""
    pixels = await asyncio.to_thread(lambda: np.stack([pixel_values(one, SIDE) for one in found]))
    return _directions((await stages("clip_image", {"pixel_values": pixels}))["features"])


async def _texts(stages: Timed, reads: Sequence[Read]) -> np.ndarray:
    """The directions (T, width) of texts, in calls of at most MOST rows."""
    ids = np.stack([one.ids for one in reads])
    calls = [ids[start : start + MOST] for start in range(0, len(ids), MOST)]
    answers = await asyncio.gather(*(stages("clip_text", {"input_ids": rows}) for rows in calls))
    return _directions(np.concatenate([answer["features"] for answer in answers]))


def _directions(features: np.ndarray) -> np.ndarray:
    """The rows as unit vectors, in float64."""
    rows = features.astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
