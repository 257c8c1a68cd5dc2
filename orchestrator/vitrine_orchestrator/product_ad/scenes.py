"""The scenes of a request: one for each size, whatever the number of products."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vitrine_orchestrator.composition.compositing import mixed
from vitrine_orchestrator.drawing.picture_request import RATIOS
from vitrine_orchestrator.images.fitting import fitted, middle_box
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.denoising import together
from vitrine_orchestrator.pipeline.request_context import number_array, text_array
from vitrine_orchestrator.product_ad.drawn_jobs import drawn
from vitrine_orchestrator.product_ad.nodes import HARMONISE, PROMPT, SCENE
from vitrine_orchestrator.product_ad.request import OF_SENTENCE, AdRequest, AdSize
from vitrine_orchestrator.product_ad.run import Run
from vitrine_orchestrator.wire.arrays import Arrays

MULTIPLE = 16
"""Sides of pictures that the networks change are multiples of this many pixels."""


@dataclass(frozen=True)
class Words:
    """What a drawn scene shows, and what it should not."""

    prompt: str | None
    negative_prompt: str | None = None  # the caller's own, which must be possible
    avoid: str | None = None  # the prompt processor's, used where it is possible


async def words_of(run: Run, request: AdRequest) -> Words:
    """The prompt of the request: as given, or by the prompt processor from the sentence."""
    if request.sentence is None:
        return Words(request.prompt, request.negative_prompt)
    given = {name: getattr(request, name) for name in ("sentence", *OF_SENTENCE)}
    inputs = {name: text_array(value) for name, value in given.items() if value}
    inputs["empty"] = number_array(True, np.bool_)
    outputs, _ = await run.call(PROMPT, "", inputs)
    found = Words(_text(outputs, "prompt"), request.negative_prompt)
    return found if request.negative_prompt else replace(found, avoid=_text(outputs, "negative_prompt"))


async def scenes_of(run: Run, request: AdRequest, words: Words) -> list[bytes]:
    """The encoded scene of each size."""
    if (scene := request.scene) is not None:
        return await asyncio.to_thread(lambda: [encode(_cut_to(scene, size)) for size in request.sizes])
    return await together(_drawn_scene(run, request, words, size) for size in request.sizes)


async def harmonised(run: Run, request: AdRequest, words: Words, composed: Picture, of: str) -> Picture:
    """A composed picture (height, width, 3), the product included, changed a little by the drawing model."""
    height, width = composed.shape[:2]
    below, beside = -height % MULTIPLE, -width % MULTIPLE
    padded = cv2.copyMakeBorder(composed, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    inputs = {
        **_drawing(request, words),
        "width": number_array(width + beside, np.int32),
        "height": number_array(height + below, np.int32),
        "image": text_array(await asyncio.to_thread(encode, padded)),
        "strength": number_array(request.harmonise, np.float32),
    }
    async with run.free:
        with run.nodes.running(HARMONISE, of) as node:
            outputs = await drawn(run.stages, HARMONISE.stage, inputs, run.on_share(node))
    run.reported(HARMONISE, outputs)
    return (await asyncio.to_thread(opened, outputs["image"][0]))[:height, :width]


def put_back(composed: Picture, changed: Picture, alpha: np.ndarray) -> Picture:
    """The changed picture with the product's own pixels: opaque ones exactly as they were composed."""
    return mixed(composed, changed, alpha)


def opened(encoded: bytes) -> Picture:
    """A stage's encoded picture (height, width, 3)."""
    levels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(levels[..., ::-1])


def opened_grey(encoded: bytes) -> np.ndarray:
    """A stage's encoded mask (height, width)."""
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)


async def _drawn_scene(run: Run, request: AdRequest, words: Words, size: AdSize) -> bytes:
    """One scene by the drawing model; scenes of all sizes share its calls."""
    inputs = _drawing(request, words)
    if size.name:
        inputs["aspect_ratio"] = text_array(size.name)
    if size.width and size.height:
        inputs["width"] = number_array(size.width, np.int32)
        inputs["height"] = number_array(size.height, np.int32)
    with run.nodes.running(SCENE, size.told) as node:
        outputs = await drawn(run.stages, SCENE.stage, inputs, run.on_share(node))
    run.reported(SCENE, outputs)
    scene: bytes = outputs["image"][0]
    return scene if request.enlarge == 1 else await asyncio.to_thread(_enlarged, scene, request.enlarge)


def _enlarged(scene: bytes, times: int) -> bytes:
    """An encoded picture with sides so many times as long."""
    drawn = opened(scene)
    height, width = drawn.shape[:2]
    return encode(cv2.resize(drawn, (times * width, times * height), interpolation=cv2.INTER_LANCZOS4))


def _drawing(request: AdRequest, words: Words) -> dict[str, np.ndarray]:
    """The inputs of the picture pipelines that both have."""
    said = {"prompt": words.prompt, "negative_prompt": words.negative_prompt, "avoid": words.avoid}
    return {
        **request.drawing,
        **{name: text_array(value) for name, value in said.items() if value},
        "seed": number_array(request.seed, np.uint64),
    }


def _cut_to(scene: Picture, size: AdSize) -> Picture:
    """The middle of a given scene in the proportions of the size; scaled where it is in pixels."""
    height, width = scene.shape[:2]
    if size.width and size.height:
        return fitted(scene, size.width, size.height, "crop").picture
    if not size.name:
        return scene
    left, top, right, bottom = middle_box(width, height, *RATIOS[size.name])
    return scene[top:bottom, left:right]


def _text(outputs: Arrays, name: str) -> str | None:
    value = outputs[name].reshape(-1)[0] if name in outputs else b""
    return (value.decode() if isinstance(value, bytes) else str(value)) or None
