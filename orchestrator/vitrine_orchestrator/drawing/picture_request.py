"""Reads the requests of the picture pipelines, and checks their limits before any work."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

from vitrine.errors import BadRequest

from vitrine_orchestrator.drawing.asked_loras import check_rank, named_weights
from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.drawing.facts import MAX_PIXELS, PictureFacts
from vitrine_orchestrator.drawing.job_request import schedule_of
from vitrine_orchestrator.drawing.prepare_prompt import MAX_PROMPT
from vitrine_orchestrator.images.fitting import fitted
from vitrine_orchestrator.loras.registry import Card
from vitrine_orchestrator.pictures import SAVING, Format, Picture
from vitrine_orchestrator.pipeline.request_context import one_picture
from vitrine_orchestrator.sampling.flow import skipped_steps
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_NAME,
    MAX_SEED,
    MAX_STEPS,
    Inputs,
    as_text,
    flag,
    number,
    text,
    word,
)

MAX_SIDE = 2**31 - 1
MAX_PICTURES = 8  # of one request
MAX_JOB = MAX_NAME - 10  # characters of a request's name for its jobs; a dash and a number follow
SCHEDULERS = ("checkpoint", "flow")
DEFAULT_STRENGTH = 0.6
RATIOS: dict[str, tuple[int, int]] = {
    "1:1": (1, 1),
    "4:5": (4, 5),
    "5:4": (5, 4),
    "3:4": (3, 4),
    "4:3": (4, 3),
    "2:3": (2, 3),
    "3:2": (3, 2),
    "9:16": (9, 16),
    "16:9": (16, 9),
    "21:9": (21, 9),
}
"""Width to height by name."""


@dataclass(frozen=True, eq=False)
class PictureRequest:
    """A checked request; width and height are those of the answer, in pixels.

    Picture i of `count` has the seed `seed` + i.
    """

    prompt: str
    negative_prompt: str | None  # None: no second caption is computed
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    scheduler: str
    loras: tuple[Card, ...]
    lora_weights: tuple[float, ...]
    format: Format
    as_text: bool  # whether the answer's picture is base64 text
    start: Picture | None = None  # (height, width, 3): the picture to change
    strength: float = 1.0  # the part of the schedule that is run; 1 keeps nothing of `start`
    count: int = 1
    previews: bool = False
    job: str | None = None  # what the names of the jobs begin with; None: names of no meaning

    @property
    def steps_run(self) -> int:
        """The steps of each picture's job."""
        return self.steps - skipped_steps(self.steps, self.strength)


def text_to_image_request(context: PictureContext, inputs: Inputs) -> PictureRequest:
    """The request in the inputs of `text_to_image`; BadRequest names the input, the rule and the value."""
    return _request(context, inputs, None)


def image_to_image_request(context: PictureContext, inputs: Inputs) -> PictureRequest:
    """The request in the inputs of `image_to_image`.

    Without a size, the answer has the picture's proportions and the checkpoint's usual number of pixels.
    """
    strength = number(inputs, "strength", 0, 1, DEFAULT_STRENGTH)
    if not strength:
        raise BadRequest("strength must be more than 0 and at most 1, got 0: 0 would change nothing")
    start = one_picture(inputs, "image", context.limits)
    if start is None:
        raise BadRequest("image or image_raw must be given")
    return _request(context, inputs, start, strength)


def any_request(context: PictureContext, inputs: Inputs) -> PictureRequest:
    """The request in the inputs of `picture_stream`: with a picture, as of `image_to_image`."""
    if "image" in inputs or "image_raw" in inputs:
        return image_to_image_request(context, inputs)
    if "strength" in inputs:
        raise BadRequest("strength must not be given without image: there is nothing to keep")
    return text_to_image_request(context, inputs)


def size_of(inputs: Inputs, facts: PictureFacts, like: Picture | None = None) -> tuple[int, int]:
    """Width and height of the answer: as given, by the name of a ratio, like a picture, or the usual ones."""
    ratio = word(inputs, "aspect_ratio", tuple(RATIOS), "")
    given = [name for name in ("width", "height") if name in inputs]
    if given and ratio:
        raise BadRequest(f"aspect_ratio must not be given together with {given[0]}")
    if len(given) == 1:
        raise BadRequest(f"width and height must be given together, got {given[0]} only")
    if given:
        width, height = (int(number(inputs, name, 1, MAX_SIDE, 0)) for name in given)
    elif ratio:
        width, height = _of_ratio(*RATIOS[ratio], facts)
    elif like is not None:
        width, height = _of_ratio(like.shape[1], like.shape[0], facts)
    else:
        width, height = facts.width, facts.height
    facts.check_size(width, height)
    return width, height


def _of_ratio(wide: int, tall: int, facts: PictureFacts) -> tuple[int, int]:
    """The sides in that ratio with the usual number of pixels, rounded to what the network draws.

    Where rounding gives more pixels than the most, the longer side is rounded down.
    """
    area = min(facts.width * facts.height, MAX_PIXELS)
    unit = facts.multiple
    width = round(math.sqrt(area * wide / tall) / unit)
    height = round(math.sqrt(area * tall / wide) / unit)
    width, height = min(max(width, 1), facts.columns), min(max(height, 1), facts.rows)
    while width * height * unit**2 > MAX_PIXELS:
        width, height = (width - 1, height) if width > height else (width, height - 1)
    return width * unit, height * unit


def _request(
    context: PictureContext, inputs: Inputs, like: Picture | None, strength: float = 1.0
) -> PictureRequest:
    facts = context.facts
    prompt = text(inputs, "prompt", MAX_PROMPT)
    if prompt is None:
        raise BadRequest("prompt must be given: say what the picture shows")
    guidance = float(number(inputs, "guidance", 0, MAX_GUIDANCE, facts.default_guidance))
    negative = _negative_prompt(facts, guidance, inputs)
    width, height = size_of(inputs, facts, like)
    loras, weights = _loras(context, inputs)
    count = int(number(inputs, "n", 1, MAX_PICTURES, 1))
    seed = int(number(inputs, "seed", 0, MAX_SEED, secrets.randbits(63)))
    if seed + count - 1 > MAX_SEED:
        raise BadRequest(f"seed + n - 1 must be at most {MAX_SEED}, got seed {seed} and n {count}")
    steps = int(number(inputs, "steps", 1, MAX_STEPS, facts.default_steps))
    scheduler = word(inputs, "scheduler", SCHEDULERS, "checkpoint")
    size = height // facts.factor, width // facts.factor
    schedule_of(Schedules(facts.scheduler), scheduler, steps, size, strength)  # `denoise` makes its own
    return PictureRequest(
        prompt=prompt,
        negative_prompt=negative,
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        seed=seed,
        scheduler=scheduler,
        loras=loras,
        lora_weights=weights,
        format=word(inputs, "format", tuple(SAVING), "png"),
        as_text=as_text(inputs),
        start=None if like is None else fitted(like, width, height, "crop").picture,
        strength=strength,
        count=count,
        previews=flag(inputs, "previews", False),
        job=text(inputs, "job", MAX_JOB),
    )


def _loras(context: PictureContext, inputs: Inputs) -> tuple[tuple[Card, ...], tuple[float, ...]]:
    """The cards of the adapters and their weights; `denoise` reads the adapters by their names."""
    names, weights = named_weights(inputs)
    cards = tuple(context.registry.card(name) for name in names)
    check_rank(cards, context.facts.lora_rank)
    return cards, weights


def _negative_prompt(facts: PictureFacts, guidance: float, inputs: Inputs) -> str | None:
    """The negative prompt; without one `avoid`, unless the checkpoint can take none."""
    given = text(inputs, "negative_prompt", MAX_PROMPT) or ""
    avoid = text(inputs, "avoid", MAX_PROMPT) or ""
    if given or not avoid:
        return facts.negative_prompt(guidance, given)
    try:
        return facts.negative_prompt(guidance, avoid)
    except BadRequest:
        return facts.negative_prompt(guidance, "")
