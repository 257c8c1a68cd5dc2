"""`try_on`: person, garments and options to the finished picture."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from vitrine.errors import VitrineError

from vitrine_orchestrator.images.fitting import Fitted, fitted
from vitrine_orchestrator.images.paste_back import Seam, pasted, seam_of
from vitrine_orchestrator.person.own_mask import OwnMask, own_mask
from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.memo import Source
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, report_array, text_array
from vitrine_orchestrator.stages.calls import Arrays, Timed
from vitrine_orchestrator.stages.try_on import GARMENT_CONDITIONING, PERSON_CONDITIONING, TEXT_CONDITIONING
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.try_on_request import Garment, TryOnRequest, read_request
from vitrine_orchestrator.wire.fields import Inputs

Watch = Callable[[str, int], Coroutine[Any, Any, None]]
"""Follows a denoising job: (its name, which garment from 0)."""

LAST_WORD_S = 1.0  # how long the picture waits for a watcher to tell of the last step

PER_PERSON = tuple(tensor.name for tensor in PERSON_CONDITIONING)
PER_GARMENT = (*(tensor.name for tensor in GARMENT_CONDITIONING), "garment_key")
PER_TEXT = tuple(tensor.name for tensor in TEXT_CONDITIONING)


@dataclass(eq=False)
class Story:
    """What happened on the way: seconds by stage, sources, and what denoising said of itself."""

    stages: Timed
    sources: dict[str, Source] = field(default_factory=dict)
    denoise: dict[str, object] = field(default_factory=dict)

    def heard(self, outputs: Arrays) -> None:
        """Take over the report of a prepare model; of several garments the last one's source stands."""
        report = read_report(outputs)
        self.sources |= report["sources"]
        for name, seconds in report["timings"].items():
            self.stages.seconds[name] += seconds


@dataclass(frozen=True, eq=False)
class Outline:
    """What is painted anew for one garment, and how it is blended in."""

    mask: np.ndarray  # (height, width) 0/255 of the checkpoint
    seam: Seam | None  # None: nothing is pasted back
    whole: tuple[np.ndarray, Seam] | None  # both at the original's size, where the result is pasted there


@dataclass(frozen=True, eq=False)
class Layer:
    """What the network made of one garment, at the checkpoint's size."""

    made: Picture  # (height, width, 3), not pasted
    outline: Outline


@dataclass(frozen=True, eq=False)
class Dressed:
    """The person in the garments so far, at the checkpoint's size."""

    picture: Picture  # (height, width, 3): what the next garment is put on
    layers: tuple[Layer, ...]  # in the order in which they were put on

    @property
    def mask(self) -> np.ndarray:
        """Of all garments."""
        return np.maximum.reduce([layer.outline.mask for layer in self.layers])


async def no_watch(job: str, garment: int) -> None:
    """Nobody follows the job."""


async def try_on(context: TryOnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `try_on` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)
    return await run(context, request, Story(stages))


async def run(
    context: TryOnContext, request: TryOnRequest, story: Story, watch: Watch = no_watch
) -> dict[str, np.ndarray]:
    """Dress the person in every garment, one after the other, and finish the picture."""
    stages = story.stages
    with stages.measured("total"):
        given = _fitted(context, request)
        dressed: Dressed | None = None
        for index, garment in enumerate(request.garments):
            worn = dressed.picture if dressed else (given.picture if given else None)
            own = await asyncio.to_thread(_own_mask, context, request, garment, given)
            person = await _prepared(context, request, garment, worn, story, dressed is None, given, own)
            latents, outline = await asyncio.gather(
                _denoised(request, index, person, story, watch),
                asyncio.to_thread(_outline, request, given, person["mask"], own),
            )
            pixels = (await stages("vae_decoder", {"latents": latents[None]}))["pixels"][0]
            dressed = _dressed(person["image"], Layer(as_picture(pixels), outline), dressed)
        assert dressed is not None, "a request has a garment"
        with stages.measured("encode"):
            image, mask = await _encoded(request, given, dressed)
    restored = given.original if given and request.paste_back else dressed.picture
    wired = b64encode if request.as_text else bytes
    return {
        "image": text_array(wired(image)),
        "mask": text_array(wired(mask)),
        "seed": np.array([request.seed], np.uint64),
        "report": report_array(
            stages.rounded(),
            story.sources,
            **story.denoise,
            seed=request.seed,
            steps=request.steps,
            size=[restored.shape[1], restored.shape[0]],
            mask=_masks_by(request),
            **context.origin,
        ),
    }


def _masks_by(request: TryOnRequest) -> str | list[str]:
    """Whose the masks are: one word where all are of the same, else one for each garment."""
    by = ["found" if garment.mask is None else "caller's" for garment in request.garments]
    return by[0] if len(set(by)) == 1 else by


def _own_mask(
    context: TryOnContext, request: TryOnRequest, garment: Garment, given: Fitted | None
) -> OwnMask | None:
    if garment.mask is None:
        return None
    return own_mask(garment.mask, given, context.facts.width, context.facts.height, request.crop)


def _fitted(context: TryOnContext, request: TryOnRequest) -> Fitted | None:
    if request.person is None:
        return None
    return fitted(request.person, context.facts.width, context.facts.height, request.crop)


async def _prepared(
    context: TryOnContext,
    request: TryOnRequest,
    garment: Garment,
    worn: Picture | None,
    story: Story,
    first: bool,
    given: Fitted | None,
    own: OwnMask | None,
) -> dict[str, np.ndarray]:
    """Person, garment and text at the same time: all that one denoising job needs, and image and mask."""
    person: dict[str, np.ndarray] = {"category": text_array(garment.category), "crop": text_array("squash")}
    if worn is not None:
        person["person_raw"] = worn
    if own is not None:
        person["mask"] = text_array(encode(own.fitted, "png"))
    person |= _which_person(request, given)
    if first and request.person_id:
        person["person_id"] = text_array(request.person_id)
    answers = await asyncio.gather(
        story.stages("prepare_person", person),
        story.stages("prepare_garment", _garment_inputs(garment)),
        story.stages("prepare_text", {"description": text_array(garment.description)}),
    )
    for answer in answers:
        story.heard(answer)
    return {name: array for answer in answers for name, array in answer.items() if name != "report"}


def _which_person(request: TryOnRequest, given: Fitted | None) -> dict[str, np.ndarray]:
    """The caller's choice among several people, a point in pixels of the checkpoint's size."""
    if request.person_index is not None:
        return {"person_index": np.array([request.person_index], np.int32)}
    if request.person_point is None:
        return {}
    point = request.person_point if given is None else given.point(*request.person_point)
    return {"person_point": np.array(point, np.int32)}


def _garment_inputs(garment: Garment) -> dict[str, np.ndarray]:
    inputs = {}
    if garment.encoded is not None:
        inputs["garment"] = text_array(garment.encoded)
    if garment.raw is not None:
        inputs["garment_raw"] = garment.raw
    if garment.id is not None:
        inputs["garment_id"] = text_array(garment.id)
    return inputs


async def _denoised(
    request: TryOnRequest, index: int, prepared: Mapping[str, np.ndarray], story: Story, watch: Watch
) -> np.ndarray:
    """The latents (4, h, w) of one job; a cancelled caller takes the job along."""
    job = uuid.uuid4().hex
    wanted = (*PER_PERSON, *PER_GARMENT, *PER_TEXT)
    watching = asyncio.create_task(watch(job, index))
    try:
        answer = await story.stages(
            "denoise",
            {
                **{name: prepared[name] for name in wanted},
                "seed": np.array([request.seed], np.uint64),
                "steps": np.array([request.steps], np.int32),
                "guidance": np.array([request.guidance], np.float32),
                "scheduler": text_array(request.scheduler),
                "job": text_array(job),
            },
        )
        await asyncio.wait([watching], timeout=LAST_WORD_S)
    except asyncio.CancelledError:
        await asyncio.shield(_give_up(story, job))
        raise
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)  # who watches cannot fail the job
    told = read_report(answer)
    story.denoise = {name: told[name] for name in ("scheduler", "rows_per_call") if name in told}
    story.stages.seconds["queue"] += told.get("timings", {}).get("queue", 0.0)
    return answer["latents"]


async def _give_up(story: Story, job: str) -> None:
    """Let the job leave before its next step; one that has ended meanwhile needs nothing."""
    try:
        await story.stages("denoise", {"job": text_array(job), "cancel": np.array([True])})
    except VitrineError:
        return


def _outline(request: TryOnRequest, given: Fitted | None, mask: np.ndarray, own: OwnMask | None) -> Outline:
    """All of the finishing that needs no picture, done while there is none."""
    if not request.paste_back:
        return Outline(mask, None, None)
    whole = None if given is None else (own.original if own else given.restore_mask(mask))
    return Outline(mask, seam_of(mask), None if whole is None else (whole, seam_of(whole)))


def _dressed(worn: Picture, layer: Layer, before: Dressed | None) -> Dressed:
    """One garment more: outside its mask the person stays as they were, if so asked."""
    seam = layer.outline.seam
    picture = layer.made if seam is None else pasted(layer.made, worn, seam)
    return Dressed(picture, (*(before.layers if before else ()), layer))


async def _encoded(request: TryOnRequest, given: Fitted | None, dressed: Dressed) -> tuple[bytes, bytes]:
    """The encoded picture and its mask, at the same time."""
    picture, mask = dressed.picture, dressed.mask
    if given is not None and request.paste_back:
        picture, mask = await asyncio.to_thread(_restored, given, dressed)
    image, outline = await asyncio.gather(
        asyncio.to_thread(encode, picture, request.format), asyncio.to_thread(encode, mask, "png")
    )
    return image, outline


def _restored(given: Fitted, dressed: Dressed) -> tuple[Picture, np.ndarray]:
    """The picture and its mask at the original's size.

    The original gets each layer by itself, so that every rim is blended once, with the original's own pixels.
    """
    picture, masks = given.original, []
    for layer in dressed.layers:
        assert layer.outline.whole is not None, "it is pasted into the original"
        mask, seam = layer.outline.whole
        picture = pasted(given.restore(layer.made), picture, seam)
        masks.append(mask)
    return picture, np.maximum.reduce(masks)
