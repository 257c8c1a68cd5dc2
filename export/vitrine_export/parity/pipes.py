"""Compares whole runs with the released pipeline, step by step, from its inputs."""

from collections.abc import Iterator

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler, SchedulerMixin
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.pipeline import Choices, Inputs, Nets, PipelineResult, run
from vitrine_export.nets.step_forms import FORMS, Form, Job
from vitrine_export.parity.check import Check, Kind, compared
from vitrine_export.parity.folder import Arrays, Config, Folder, tensor

Quantities = dict[str, tuple[str, Kind, ArrayLike]]
"""By the name of the stored array: the quantity, its kind and our array."""

SCHEDULERS = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "ddpm": DDPMScheduler}
IMAGES = ("image", "init_image", "human", "human_img", "person")
TENSORS = ("pose_img", "cloth", "clip_pixel_values", "masked_image")
MASKS = ("mask", "mask_image", "mask_img")


def check_pipes(folder: Folder) -> Iterator[Check]:
    """Check every quantity of every `NAME_pipe_*.npz`."""
    for name, case, arrays in folder.cases("pipe"):
        nets, described = folder.nets(name), folder.described(case)
        inputs = _inputs(folder, case, arrays)
        for form in FORMS:
            outcome = _run(nets, _scheduler(folder, case, described), inputs, described, form, arrays)
            yield from _check_start(case, form, outcome, arrays)
            yield from _check_steps(case, form, outcome, arrays)
            yield from _check_predictions(case, form, nets, outcome.job, arrays)
            yield compared(case, form, "image", "image", outcome.image, arrays["output_np"])


def _run(
    nets: Nets, scheduler: SchedulerMixin, inputs: Inputs, described: Config, form: Form, arrays: Arrays
) -> PipelineResult:
    """Run a case with our code, from its seeds."""
    choices = Choices(
        steps=int(described.get("steps", len(arrays["timesteps"]))),
        guidance=float(described.get("guidance", len(arrays["step0_noise_pred"]) // len(inputs.prompt))),
        form=form,
        posterior="mode" if described.get("deterministic") else "sample",
    )
    torch.manual_seed(int(described.get("global_seed", 0)))  # the pose posterior draws from it
    generator = torch.Generator().manual_seed(int(described.get("seed", 0)))
    return run(
        nets, scheduler, inputs, choices, generator, given_noise(scheduler, choices, described, arrays)
    )


def given_noise(
    scheduler: SchedulerMixin, choices: Choices, described: Config, arrays: Arrays
) -> Tensor | None:
    """Return the initial noise (B, 4, h, w) of the case; None if its seed draws the noise.

    A case without this array has it in the input of its first step, scaled by its scheduler.
    """
    if not (described.get("init_latents_given") or np.any(arrays.get("init_latents_given", False))):
        return None
    if "init_latents" in arrays:
        return tensor(arrays["init_latents"])
    scheduler.set_timesteps(choices.steps)
    scale = scheduler.scale_model_input(torch.ones(1), scheduler.timesteps[0]) * scheduler.init_noise_sigma
    rows, channels = arrays["step0_latents_after"].shape[:2]
    return tensor(arrays["step0_unet_in"][:rows, :channels]) / scale


def _check_start(case: str, form: str, outcome: PipelineResult, arrays: Arrays) -> Iterator[Check]:
    """Check the inputs of the first step."""
    job = outcome.job
    timesteps = [step.timestep for step in outcome.steps]
    yield compared(case, form, "timesteps", "exact", timesteps, arrays["timesteps"])
    ours: Quantities = {
        "cond_time_ids": ("time ids", "exact", job.time_ids.repeat(job.halves, 1)),
        "encoder_hidden_states": ("text", "exact", job.text.flatten(0, 1)),
        "cond_text_embeds": ("pooled text", "exact", job.pooled.flatten(0, 1)),
        "cond_image_embeds": ("image tokens", "noise", job.image_tokens.flatten(0, 1)),
        "cloth_latents": ("garment latents", "latents", job.garment),
    }
    for key, (quantity, kind, value) in ours.items():
        if key in arrays:
            yield compared(case, form, quantity, kind, value, arrays[key])


def _check_steps(case: str, form: str, outcome: PipelineResult, arrays: Arrays) -> Iterator[Check]:
    for index, step in enumerate(outcome.steps):
        stored = {key.removeprefix(f"step{index}_"): value for key, value in arrays.items()}
        ours: Quantities = {
            "t": ("timesteps", "exact", step.timestep),
            "garm_t": ("garment timesteps", "exact", step.timestep),
            "unet_in": ("unet input", "latents", step.sample),
            "noise_pred": ("prediction on own latents", "latents", step.prediction),
            "latents_after": ("latents", "latents", step.latents),
        }
        for key, (quantity, kind, value) in ours.items():
            if key in stored:
                yield compared(case, form, quantity, kind, value, stored[key])


@torch.no_grad()
def _check_predictions(case: str, form: Form, nets: Nets, job: Job, arrays: Arrays) -> Iterator[Check]:
    """Check each step's prediction on the released latents, so that errors do not accumulate."""
    predict, rows = FORMS[form](nets.tryon, nets.garment, job), len(job.garment)
    for index, timestep in enumerate(arrays["timesteps"]):
        if (sample := arrays.get(f"step{index}_unet_in")) is not None:
            latents = tensor(sample[:rows, : job.garment.shape[1]])
            prediction = predict(latents, torch.full((rows,), int(timestep)))
            yield compared(
                case, form, "noise prediction", "noise", prediction, arrays[f"step{index}_noise_pred"]
            )


def _scheduler(folder: Folder, case: str, described: Config) -> SchedulerMixin:
    """Return the case's scheduler, from meta.json or the case's name; DDPM if neither names one."""
    config, named = dict(folder.meta["scheduler"]), described.get("scheduler", case)
    if not isinstance(named, str):
        config, named = {**config, **named}, named.get("_class_name", case)
    kind = next((kind for kind in SCHEDULERS if kind in named.lower()), "ddpm")
    return SCHEDULERS[kind].from_config(config)


def _inputs(folder: Folder, case: str, arrays: Arrays) -> Inputs:
    prompt = tensor(arrays["prompt_embeds"])
    negative = arrays.get("negative_prompt_embeds", np.zeros_like(arrays["prompt_embeds"]))
    pooled = arrays["pooled_prompt_embeds"]
    return Inputs(
        image=_picture(folder, case, "human", arrays, IMAGES, channels=3),
        mask=_picture(folder, case, "mask", arrays, MASKS, channels=1),
        pose=tensor(arrays["pose_img"]),
        garment=tensor(arrays["cloth"]),
        clip_pixels=tensor(arrays["clip_pixel_values"]),
        prompt=prompt,
        negative_prompt=tensor(negative),
        pooled=tensor(pooled),
        negative_pooled=tensor(arrays.get("negative_pooled_prompt_embeds", np.zeros_like(pooled))),
        garment_prompt=tensor(arrays["text_embeds_cloth"]),
    )


def _picture(
    folder: Folder, case: str, name: str, arrays: Arrays, keys: tuple[str, ...], channels: int
) -> Image.Image | Tensor | np.ndarray:
    """Return a case's picture: its PNG, else the array of a key in `keys`, else the one of a picture's shape.

    An array with the channels last is diffusers' numpy form; uint8 is 0 to 255.
    """
    if file := folder.file(f"{case}_{name}.png"):
        return Image.open(file)
    shape = (channels, *arrays["cloth"].shape[-2:])
    alike = [key for key in arrays if key not in TENSORS and arrays[key].shape[1:] == shape]
    found = [key for key in keys if key in arrays] or alike
    if not found:
        raise BadCheckpoint(f"{case}: no {name} picture: neither {case}_{name}.png nor an array among {keys}")
    array = arrays[found[0]]
    array = array.astype(np.float32) / (255.0 if array.dtype == np.uint8 else 1.0)
    return array if array.ndim > 2 and array.shape[-1] in (1, 3) else tensor(array)
