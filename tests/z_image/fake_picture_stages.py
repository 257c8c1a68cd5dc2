"""Fake stages of the picture pipelines, with requests for them."""

from __future__ import annotations

import io
import json
from dataclasses import asdict

import numpy as np
from PIL import Image
from vitrine_orchestrator.loras.registry import CARD, Card
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.context import ZImageContext

FACTS = {
    "width": 64,
    "height": 64,
    "channels": 16,
    "factor": 8,
    "caption_width": 4,
    "caption_positions": 256,
    "rows": 64,
    "columns": 64,
    "prompt_tokens": 512,
    "prompt_before": "<|im_start|>user\n",
    "prompt_after": "<|im_end|>\n<|im_start|>assistant\n",
    "default_steps": 3,
    "default_guidance": 0.0,
    "scheduler": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "lora_rank": 16,
    "lora_inputs": 8,
    "lora_outputs": 8,
}
STEPS = 3
REPORT = {"steps": STEPS, "scheduler": "checkpoint", "rows_per_call": 1.0}


def texted(*values):
    """A BYTES tensor."""
    return np.array([value.encode() if isinstance(value, str) else value for value in values], object)


def report(**more):
    """A report's tensor."""
    return texted(json.dumps({"timings": {}, "sources": {}, **more}))


def denoised(inputs):
    """Latents whose first channel is 1, of the size that the job asks for."""
    if "cancel" in inputs:
        return {"report": report()}
    if "after_step" in inputs:
        step = int(inputs["after_step"][0]) + 1
        state = "running" if step < STEPS else "done"
        return {
            "latents": np.ones((16, 8, 8), np.float32),
            "report": report(state=state, step=step, left_s=0),
        }
    if "start_latents" in inputs:
        shape = inputs["start_latents"].shape
    else:
        width, height = inputs["size"]
        shape = 16, height // 8, width // 8
    return {"latents": np.ones(shape, np.float32), "report": report(**REPORT)}


def fake_vae(family):
    """The family's encoder and decoder, by name; the decoder repeats the first channels."""
    return {
        f"{family}_vae_encoder": lambda inputs: {
            "latents": np.repeat(inputs["pixels"][:, :1, ::8, ::8], 16, axis=1)
        },
        f"{family}_vae_decoder": lambda inputs: {
            "pixels": np.repeat(inputs["latents"][:, :3], 8, axis=2).repeat(8, axis=3)
        },
    }


def fake_stages():
    """Stages that answer with the right shapes."""
    return FakeStages(
        prepare_prompt=lambda inputs: {
            "caption": np.ones((len(inputs["prompt"][0]) + 1, 4), np.float32),
            "report": report(),
        },
        denoise=denoised,
        **fake_vae("z_image"),
    )


def fake_context(stages, facts=FACTS, digest="0" * 64, **more):
    """A request context over the fakes, of the release with this digest."""
    return ZImageContext(stages, Manifest(FAMILY, facts, digest, "test", {}), **more)


def write_card(registry, name, digest="d" * 64, rank=8, base="0" * 64):
    """Put an adapter's card into a registry; the pipelines read no tensors."""
    folder = registry / name
    folder.mkdir(parents=True, exist_ok=True)
    card = Card(name, FAMILY, base, digest, rank, (), "CC0-1.0")
    (folder / CARD).write_text(json.dumps(asdict(card)))


def sent(stages, name):
    """The inputs of the calls of a stage."""
    return [inputs for stage, inputs in stages.calls if stage == name]


def jobs(stages):
    """The inputs of the calls that submit a job."""
    return [given for given in sent(stages, "denoise") if not {"after_step", "cancel"} & given.keys()]


def inputs(prompt="a red cup", **more):
    """A request's inputs; numbers become tensors of one element."""
    kinds = {float: np.float32, int: np.int32}
    arrays = {"prompt": texted(prompt)} if prompt is not None else {}
    for name, value in more.items():
        if isinstance(value, str | bytes):
            arrays[name] = texted(value)
        elif isinstance(value, float | int):
            arrays[name] = np.array([value], kinds[type(value)])
        else:
            arrays[name] = value
    return arrays


def png(width, height, grey=128):
    """An encoded grey picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()
