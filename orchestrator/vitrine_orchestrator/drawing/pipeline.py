"""The picture pipelines: from a prompt, or from a picture and a prompt, to pictures."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace

import numpy as np

from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.drawing.picture_request import (
    PictureRequest,
    any_request,
    image_to_image_request,
    text_to_image_request,
)
from vitrine_orchestrator.images.latent_tiles import decoded, encoded
from vitrine_orchestrator.images.pixels import picture_of, signed
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.denoising import FollowJob, RunLog, denoised, follow_nothing, together
from vitrine_orchestrator.pipeline.progress import ProgressSender, Send, Streamed, event_array
from vitrine_orchestrator.pipeline.request_context import read_aside, report_array, text_array
from vitrine_orchestrator.stages.calls import Stages, Timed
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import Inputs


async def text_to_image(context: PictureContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `text_to_image`; BadRequest says what is wrong with the inputs."""
    return await _run(context, text_to_image_request(context, inputs))


async def image_to_image(context: PictureContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `image_to_image`; BadRequest says what is wrong with the inputs."""
    return await _run(context, await read_aside(lambda: image_to_image_request(context, inputs), inputs))


async def picture_stream(context: PictureContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: the pictures and its event.

    With a picture among the inputs the work is that of `image_to_image`, else that of `text_to_image`.
    """
    request = await read_aside(lambda: any_request(context, inputs), inputs)

    async def painted(latents: np.ndarray) -> Picture:
        return await _picture(context.stages, context.networks, latents)

    told = Streamed(request.count, request.steps_run, request.previews, request.as_text)
    outputs = await _run(context, request, ProgressSender(context.stages, told, send, painted))
    return {"event": event_array("result"), **outputs}


async def _run(
    context: PictureContext, request: PictureRequest, follow: FollowJob = follow_nothing
) -> dict[str, np.ndarray]:
    """All pictures of a request. Prompt and start are prepared once; the jobs run at the same time."""
    log = RunLog(Timed(context.stages))
    with log.stages.measured("total"):
        captions, start = await together(
            [_captions(log, context.family, request), _start(log.stages, context.networks, request)]
        )
        given = _conditioning(context.family, request) | captions | start
        each = [replace(request, seed=request.seed + index) for index in range(request.count)]
        files = await together(
            _drawn(context.networks, one, index, given, log, follow) for index, one in enumerate(each)
        )
    return {
        "image": np.array([b64encode(one) if request.as_text else one for one in files], np.object_),
        "seed": np.arange(request.count, dtype=np.uint64) + np.uint64(request.seed),
        "report": report_array(
            log.stages.rounded(),
            log.sources,
            **log.denoise,
            seed=request.seed,
            steps=request.steps_run,
            size=[request.width, request.height],
            **replace(context, loras=request.loras).origin,
        ),
    }


async def _drawn(
    networks: str, request: PictureRequest, index: int, conditioning: Arrays, log: RunLog, follow: FollowJob
) -> bytes:
    """One picture, encoded."""
    job = None if request.job is None else f"{request.job}-{index}"
    latents = await denoised(request, index, conditioning, log, follow, job)
    picture = await _picture(log.stages, networks, latents)
    with log.stages.measured("encode"):
        return await asyncio.to_thread(encode, picture, request.format)


async def _picture(stages: Stages, networks: str, latents: np.ndarray) -> Picture:
    async def decoder(part: np.ndarray) -> np.ndarray:
        return (await stages(f"{networks}_vae_decoder", {"latents": part[None]}))["pixels"][0]

    return picture_of(await decoded(decoder, latents))


async def _captions(log: RunLog, family: str, request: PictureRequest) -> dict[str, np.ndarray]:
    """The features of the prompt, and where guidance needs them those of the negative prompt."""
    prompts = {"": request.prompt}
    if request.negative_prompt is not None:
        prompts["negative_"] = request.negative_prompt
    model = text_array(family)
    answers = await together(
        log.stages("prepare_prompt", {"prompt": text_array(prompt), "model": model})
        for prompt in prompts.values()
    )
    return {
        f"{whose}{name}": features
        for whose, answer in zip(prompts, answers, strict=True)
        for name, features in log.joined([answer]).items()
        if name != "prompt_key"
    }


async def _start(stages: Timed, networks: str, request: PictureRequest) -> dict[str, np.ndarray]:
    """What the jobs start from: the size of the noise, or the latents of a picture and the strength."""
    if request.start is None:
        return {"size": np.array([request.width, request.height], np.int32)}

    async def encoder(part: np.ndarray) -> np.ndarray:
        return (await stages(f"{networks}_vae_encoder", {"pixels": part[None]}))["latents"][0]

    latents = await encoded(encoder, signed(request.start))
    return {"start_latents": latents, "strength": np.array([request.strength], np.float32)}


def _conditioning(family: str, request: PictureRequest) -> dict[str, np.ndarray]:
    """The inputs of `denoise` that name the family and the adapters."""
    inputs = {"family": text_array(family)}
    if request.loras:
        inputs["lora"] = np.array([card.name.encode() for card in request.loras], np.object_)
        inputs["lora_weight"] = np.array(request.lora_weights, np.float32)
    return inputs
