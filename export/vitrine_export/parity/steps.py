"""Compares single UNet steps with the released ones, in both forms of our nets."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vitrine_export.nets import GarmentNet, TryonNet
from vitrine_export.nets.pipeline import guided
from vitrine_export.nets.step_forms import FORMS, Job
from vitrine_export.parity.check import Check, compared
from vitrine_export.parity.folder import Arrays, Folder, tensor

GUIDED = "noise_pred_cfg"  # key prefix; the guidance scale follows


@torch.no_grad()
def check_steps(folder: Folder) -> Iterator[Check]:
    """Check every quantity of every `NAME_unetstep_*.npz`."""
    for name, case, arrays in folder.cases("unetstep"):
        tryon, garment = folder.pair(name)
        timesteps = torch.as_tensor(arrays["timestep"]).expand(len(arrays["latents"]))
        job = _job(tryon, arrays)
        yield from _check_inputs(case, arrays, job, garment, timesteps)
        for form, build in FORMS.items():
            prediction = build(tryon, garment, job)(tensor(arrays["latents"]), timesteps)
            yield compared(case, form, "noise prediction", "noise", prediction, arrays["noise_pred"])
            yield from _check_guided(case, form, arrays, job, prediction)


def _check_inputs(
    case: str, arrays: Arrays, job: Job, garment: GarmentNet, timesteps: Tensor
) -> Iterator[Check]:
    """Check the inputs of the prediction: order of channels and halves, tokens and features."""
    if "unet_input" in arrays:
        sample = job.sample(tensor(arrays["latents"]))
        yield compared(case, "both", "unet input", "exact", sample, arrays["unet_input"])
    if "ip_tokens" in arrays:
        tokens = job.image_tokens.flatten(0, 1)
        yield compared(case, "both", "image tokens", "noise", tokens, arrays["ip_tokens"])
    stored = sorted(key for key in arrays if key.startswith("feat_"))
    if stored:
        features = garment(job.garment, timesteps, job.garment_prompt)
        yield compared(case, "both", "number of features", "exact", len(features), len(stored))
        for feature, key in zip(features, stored, strict=False):
            yield compared(case, "both", "garment features", "shown", feature, arrays[key])


def _check_guided(case: str, form: str, arrays: Arrays, job: Job, prediction: Tensor) -> Iterator[Check]:
    for key in arrays:
        scale = key.removeprefix(GUIDED)
        if key != scale and scale:
            ours = guided(prediction, job.halves, float(scale.replace("_", ".")))
            yield compared(case, form, f"guidance {scale}", "noise", ours, arrays[key])


def _job(tryon: TryonNet, arrays: Arrays) -> Job:
    """Return the job of a step; without guidance its arrays have one half."""
    halves = len(arrays["noise_pred"]) // len(arrays["latents"])
    hidden = _halves(arrays, halves, "clip_hidden_uncond", "clip_hidden")
    fixed = [arrays[name] for name in ("mask", "masked_latents", "pose_latents")]
    return Job(
        fixed=tensor(np.concatenate(fixed, axis=1)),
        garment=tensor(arrays["cloth_latents"]),
        garment_prompt=tensor(arrays["text_cloth"]),
        text=_halves(arrays, halves, "neg_prompt", "prompt"),
        image_tokens=tryon.image_tokens(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]),
        pooled=_halves(arrays, halves, "neg_pooled", "pooled"),
        time_ids=tensor(arrays["time_ids"])[: len(arrays["latents"])],
    )


def _halves(arrays: Arrays, halves: int, uncond: str, cond: str) -> Tensor:
    return torch.stack([tensor(arrays[name]) for name in (uncond, cond)[2 - halves :]])
