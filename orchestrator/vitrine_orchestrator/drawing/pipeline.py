"""The pipelines `text_to_image` and `image_to_image`: from a prompt, or a picture too, to a picture."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode

import numpy as np
from vitrine.errors import VitrineError

from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.drawing.picture_request import (
    PictureRequest,
    image_to_image_request,
    text_to_image_request,
)
from vitrine_orchestrator.images.latent_tiles import decoded, encoded
from vitrine_orchestrator.images.pixels import picture_of, signed
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs


async def text_to_image(context: PictureContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `text_to_image`; BadRequest says what is wrong with the inputs."""
    return await _run(context, text_to_image_request(context, inputs))


async def image_to_image(context: PictureContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `image_to_image`; BadRequest says what is wrong with the inputs."""
    return await _run(context, await read_aside(lambda: image_to_image_request(context, inputs), inputs))


async def _run(context: PictureContext, request: PictureRequest) -> dict[str, np.ndarray]:
    stages = Timed(context.stages)
    with stages.measured("total"):
        conditioning, start = await asyncio.gather(
            _captions(stages, context.family, request), _start(stages, context.networks, request)
        )
        given = {"family": text_array(context.family)} | conditioning | start
        answer = await _denoised(stages, request, given)
        decoder = f"{context.networks}_vae_decoder"
        pixels = await decoded(lambda part: _decoded(stages, decoder, part), answer["latents"])
        with stages.measured("encode"):
            image = await asyncio.to_thread(lambda: encode(picture_of(pixels), request.format))
    report = read_report(answer)
    return {
        "image": text_array(b64encode(image) if request.as_text else image),
        "seed": np.array([request.seed], np.uint64),
        "report": report_array(
            stages.rounded(),
            {},
            seed=request.seed,
            steps=report["steps"],
            size=[request.width, request.height],
            scheduler=report["scheduler"],
            rows_per_call=report["rows_per_call"],
            **context.origin,
        ),
    }


async def _captions(stages: Timed, family: str, request: PictureRequest) -> dict[str, np.ndarray]:
    """The features of the prompt, and where guidance needs them those of the negative prompt."""
    prompts = {"": request.prompt}
    if request.negative_prompt is not None:
        prompts["negative_"] = request.negative_prompt
    model = text_array(family)
    answers = await asyncio.gather(
        *(
            stages("prepare_prompt", {"prompt": text_array(prompt), "model": model})
            for prompt in prompts.values()
        )
    )
    return {
        f"{whose}{name}": features
        for whose, answer in zip(prompts, answers, strict=True)
        for name, features in answer.items()
        if name != "report"
    }


async def _start(stages: Timed, networks: str, request: PictureRequest) -> dict[str, np.ndarray]:
    """What the job starts from: the size of the noise, or the latents of a picture and the strength."""
    if request.start is None:
        return {"size": np.array([request.width, request.height], np.int32)}

    async def encoder(part: np.ndarray) -> np.ndarray:
        return (await stages(f"{networks}_vae_encoder", {"pixels": part[None]}))["latents"][0]

    latents = await encoded(encoder, signed(request.start))
    return {"start_latents": latents, "strength": np.array([request.strength], np.float32)}


async def _decoded(stages: Timed, decoder: str, latents: np.ndarray) -> np.ndarray:
    return (await stages(decoder, {"latents": latents[None]}))["pixels"][0]


async def _denoised(
    stages: Timed, request: PictureRequest, given: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The outputs of the job; it is cancelled when the caller cancels the request."""
    job = uuid.uuid4().hex
    inputs = {
        **given,
        "job": text_array(job),
        "seed": np.array([request.seed], np.uint64),
        "steps": np.array([request.steps], np.int32),
        "guidance": np.array([request.guidance], np.float32),
        "scheduler": text_array(request.scheduler),
    }
    if request.loras:
        inputs["lora"] = np.array([name.encode() for name in request.loras], np.object_)
        inputs["lora_weight"] = np.array(request.lora_weights, np.float32)
    try:
        return await stages("denoise", inputs)
    except asyncio.CancelledError:
        await asyncio.shield(_cancel(stages, job))
        raise


async def _cancel(stages: Timed, job: str) -> None:
    """Cancel the job before its next step; does nothing when the job has already ended."""
    try:
        await stages("denoise", {"job": text_array(job), "cancel": np.array([True])})
    except VitrineError:
        return
