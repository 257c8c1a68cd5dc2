"""The pipeline `product_ad`: words first, then cut-outs and scenes at the same time, then every ad."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.pictures import Format, encode
from vitrine_orchestrator.pipeline.denoising import together
from vitrine_orchestrator.pipeline.progress import Send, event_array
from vitrine_orchestrator.pipeline.request_context import (
    PlainContext,
    number_array,
    read_aside,
    report_array,
    text_array,
)
from vitrine_orchestrator.product_ad.nodes import (
    COMPOSE,
    CUT_OUT,
    HARMONISE,
    PROMPT,
    SCENE,
    TEXT,
    Nodes,
    Step,
)
from vitrine_orchestrator.product_ad.one_ad import Ad, OnPicture, one_ad
from vitrine_orchestrator.product_ad.releases import digest_of, releases_in
from vitrine_orchestrator.product_ad.request import AdRequest, AdSize, Photo, ad_request, lora_digests
from vitrine_orchestrator.product_ad.run import Run
from vitrine_orchestrator.product_ad.scenes import Words, opened, scenes_of, words_of
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs, flag

Outputs = dict[str, np.ndarray]


async def product_ad(context: PlainContext, inputs: Inputs) -> Outputs:
    """The outputs of the model `product_ad`; BadRequest says what is wrong with the inputs.

    With `describe` true nothing runs, and the output is the report of the releases alone.
    """
    if flag(inputs, "describe", False):
        return {"report": report_array({}, {}, **await _releases(context, lora_digests(context, inputs)))}
    request = await read_aside(lambda: ad_request(context, inputs), inputs)
    return await _run(context, request, Nodes(planned(request)))


async def product_ad_stream(context: PlainContext, inputs: Inputs, send: Send) -> Outputs:
    """Send progress events during the work; return the last response: the ads and their event."""
    request = await read_aside(lambda: ad_request(context, inputs), inputs)
    last: list[Step] = []

    def tell(step: Step, **picture: np.ndarray) -> None:
        last[:] = [step]
        send({"event": _event(step), **picture})

    def show(encoded: bytes) -> None:
        tell(last[0], image=text_array(b64encode(encoded) if request.as_text else encoded))

    nodes = Nodes(planned(request), tell)
    return {
        "event": event_array("result"),
        **await _run(context, request, nodes, show if request.previews else None),
    }


def planned(request: AdRequest) -> int:
    """The weights of all nodes that a request will run."""
    draws = request.scene is None
    each_ad = COMPOSE.weight + HARMONISE.weight * (request.harmonise > 0)
    each_ad += TEXT.weight * (request.texts is not None)
    return (
        PROMPT.weight * (request.sentence is not None)
        + CUT_OUT.weight * sum(not one.cut for one in request.photos)
        + SCENE.weight * len(request.sizes) * draws
        + each_ad * len(request.sizes) * len(request.groups)
    )


async def _run(
    context: PlainContext, request: AdRequest, nodes: Nodes, on_picture: OnPicture | None = None
) -> Outputs:
    run = Run(Timed(context.stages), nodes)
    with run.stages.measured("total"):
        await _check_texts(run, request)
        words = await words_of(run, request)
        products, scenes = await together([_cut_outs(run, request), scenes_of(run, request, words)])
        ads = await together(
            one_ad(run, request, words, scenes[scene], [products[i] for i in group], of, on_picture)
            for scene, _, group, of in _planned_ads(request)
        )
        with run.stages.measured("encode"):
            outputs = await asyncio.to_thread(_encoded, ads, request)
    return {
        **outputs,
        "seed": number_array(request.seed, np.uint64),
        "report": report_array(
            run.stages.rounded(),
            run.sources,
            **_told(run, request, words, ads),
            **await _releases(context, request.loras),
        ),
    }


async def _check_texts(run: Run, request: AdRequest) -> None:
    """BadRequest for texts that no picture could show: the model that sets them knows the fonts."""
    if request.texts is not None:
        asked = {"describe": number_array(True, np.bool_), "texts": text_array(request.texts)}
        await run.stages(TEXT.stage, asked)


async def _cut_outs(run: Run, request: AdRequest) -> list[bytes]:
    """The encoded cut-out of each product."""
    side = request.product_side
    return await together(_cut_out(run, photo, index, side) for index, photo in enumerate(request.photos))


async def _cut_out(run: Run, photo: Photo, index: int, side: int) -> bytes:
    """The encoded cut-out of a photograph; BadRequest names the product that it refuses."""
    if photo.cut:
        return photo.encoded
    inputs = {"image": text_array(photo.encoded), "product_side": number_array(side, np.int32)}
    try:
        outputs, report = await run.call(CUT_OUT, f"product {index}", inputs)
    except BadRequest as error:
        raise BadRequest(f"product[{index}]: {error}") from error
    if report.get("doubts"):
        run.doubts[f"product {index}"] = report["doubts"]
    return outputs["image"][0]


def _planned_ads(request: AdRequest) -> list[tuple[int, AdSize, list[int], str]]:
    """The scene's number, size, products and name of each ad: all of the first size, then of the next."""

    def name(size: AdSize, group: list[int]) -> str:
        return " ".join(filter(None, [size.told, f"product {group[0]}" if request.each else ""]))

    return [
        (scene, size, group, name(size, group))
        for scene, size in enumerate(request.sizes)
        for group in request.groups
    ]


def _encoded(ads: list[Ad], request: AdRequest) -> Outputs:
    """The picture outputs, in the request's format and encoding."""

    def array(files: list[bytes]) -> np.ndarray:
        return np.array([b64encode(one) if request.as_text else one for one in files], np.object_)

    return {
        "image": array([_in_format(one.image, request.format) for one in ads]),
        "origin": array([_in_format(one.origin, request.format) for one in ads]),
        "alpha": array([one.alpha for one in ads]),
    }


def _in_format(encoded: bytes, kind: Format) -> bytes:
    """A stage's PNG in the format of the answer."""
    return encoded if kind == "png" else encode(opened(encoded), kind)


def _told(run: Run, request: AdRequest, words: Words, ads: list[Ad]) -> dict[str, Any]:
    return {
        **run.nodes.told(),
        "seed": request.seed,
        "prompt": words.prompt,
        "negative_prompt": words.negative_prompt or words.avoid,
        "ads": [
            {"size": size.told, "products": group, **one.told}
            for (_, size, group, _), one in zip(_planned_ads(request), ads, strict=True)
        ],
        "doubts": run.doubts,
        "versions": run.versions,
    }


async def _releases(context: PlainContext, loras: tuple[str, ...]) -> dict[str, Any]:
    """The releases that serve now, and the digest of them and of a request's adapters."""
    found = await asyncio.to_thread(releases_in, context.repository)
    return {"releases": found, "pipeline_digest": digest_of(found, loras)}


def _event(step: Step) -> np.ndarray:
    return event_array(
        "progress",
        step=step.step,
        steps=step.steps,
        elapsed_s=round(step.elapsed_s, 3),
        left_s=None if step.left_s is None else round(step.left_s, 3),
        stage=step.stage,
        status=step.status,
    )
