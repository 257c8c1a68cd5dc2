"""The released try-on pipeline in torch, from pictures and embeddings to the repainted picture.

Random numbers, rows and channels have the order of the released code. Serving does not use this pipeline: it
is the reference of the engine's graphs and schedulers.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, SchedulerMixin
from diffusers.image_processor import PipelineImageInput, VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from torch import Generator, Tensor
from transformers import CLIPVisionModelWithProjection

from vitrine_export.nets.garment_unet import GarmentNet
from vitrine_export.nets.step_forms import FORMS, Form, Job, Predict
from vitrine_export.nets.tryon_unet import TryonNet

Posterior = Literal["sample", "mode"]


@dataclass(frozen=True)
class Nets:
    """The networks of a run, in eval mode and of one dtype."""

    tryon: TryonNet
    garment: GarmentNet
    vae: AutoencoderKL
    image_encoder: CLIPVisionModelWithProjection

    @property
    def factor(self) -> int:
        """Pixels per latent pixel, on each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)


@dataclass(frozen=True)
class Inputs:
    """The inputs of B rows; a picture or embedding with one row applies to all."""

    image: PipelineImageInput  # the person: PIL, or floats in [0, 1] or [-1, 1]
    mask: PipelineImageInput  # 1 or white: repainted
    pose: Tensor  # (B, 3, H, W) in [-1, 1]
    garment: Tensor  # (B, 3, H, W) in [-1, 1]
    clip_pixels: Tensor  # (B, 3, S, S), the garment as the image encoder sees it
    prompt: Tensor  # (B, 77, C)
    negative_prompt: Tensor  # (B, 77, C)
    pooled: Tensor  # (B, P)
    negative_pooled: Tensor  # (B, P)
    garment_prompt: Tensor  # (B, 77, C)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return tuple(self.garment.shape[-2:])


@dataclass(frozen=True)
class Choices:
    """The options of a run. Guidance of 1 or less is off."""

    steps: int = 30
    guidance: float = 2.0
    form: Form = "fast"
    posterior: Posterior = "sample"


@dataclass(frozen=True)
class StepRecord:
    """One step: the UNet's sample (halves · B, 13, h, w), its prediction (unguided), the latents after."""

    timestep: int
    sample: Tensor
    prediction: Tensor
    latents: Tensor


@dataclass(frozen=True)
class PipelineResult:
    """A run's image (B, H, W, 3) float32 in [0, 1], and its intermediate results."""

    image: np.ndarray
    job: Job
    steps: Sequence[StepRecord]


@torch.no_grad()
def run(
    nets: Nets,
    scheduler: SchedulerMixin,
    inputs: Inputs,
    choices: Choices,
    generator: Generator | None = None,
    noise: Tensor | None = None,
) -> PipelineResult:
    """Repaint `inputs.image`. `generator` draws all noise except the pose posterior's, which is global.

    `noise` (B, 4, h, w) of variance 1 is the start; the generator draws it if it is None.
    """
    height, width = inputs.size
    scheduler.set_timesteps(choices.steps)
    shape = (len(inputs.prompt), nets.vae.config.latent_channels, height // nets.factor, width // nets.factor)
    if noise is None:
        noise = randn_tensor(shape, generator=generator, dtype=inputs.prompt.dtype)
    job = prepare(nets, inputs, choices, generator)
    predict = FORMS[choices.form](nets.tryon, nets.garment, job)
    latents, steps = denoise(
        scheduler, noise * scheduler.init_noise_sigma, job, predict, choices.guidance, generator
    )
    decoded = nets.vae.decode(latents / nets.vae.config.scaling_factor, return_dict=False)[0]
    image = VaeImageProcessor(vae_scale_factor=nets.factor).postprocess(decoded, output_type="np")
    return PipelineResult(image, job, steps)


def denoise(
    scheduler: SchedulerMixin,
    latents: Tensor,
    job: Job,
    predict: Predict,
    guidance: float,
    generator: Generator | None,
) -> tuple[Tensor, list[StepRecord]]:
    """Run every step from noise (B, 4, h, w); return the final latents and the steps."""
    records: list[StepRecord] = []
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, timestep)
        prediction = predict(scaled, timestep.expand(len(latents)))
        latents = scheduler.step(
            guided(prediction, job.halves, guidance), timestep, latents, **_step_options(scheduler, generator)
        ).prev_sample
        records.append(StepRecord(int(timestep), job.sample(scaled), prediction, latents))
    return latents, records


def guided(prediction: Tensor, halves: int, guidance: float) -> Tensor:
    """Return u + g·(c − u) of [uncond, cond] stacked along the rows; cond only is returned unchanged."""
    if halves == 1:
        return prediction
    uncond, cond = prediction.chunk(2)
    return uncond + guidance * (cond - uncond)


def prepare(nets: Nets, inputs: Inputs, choices: Choices, generator: Generator | None) -> Job:
    """Compute what the steps share; draws the posteriors of masked image, pose and garment in this order."""
    height, width = inputs.size
    rows, normalised = len(inputs.prompt), _is_normalised(inputs.image)
    processor = VaeImageProcessor(vae_scale_factor=nets.factor, do_normalize=not normalised)
    image = processor.preprocess(inputs.image, height, width).to(inputs.prompt.dtype)
    mask = _mask_processor(nets).preprocess(inputs.mask, height, width).to(inputs.prompt.dtype)
    masked = encode(nets, image * (mask < 0.5), choices.posterior, generator)
    pose = encode(nets, inputs.pose, choices.posterior, None)
    garment = encode(nets, inputs.garment, choices.posterior, generator)
    mask = F.interpolate(mask, size=(height // nets.factor, width // nets.factor))
    guides = choices.guidance > 1
    return Job(
        fixed=torch.cat([repeated(part, rows) for part in (mask, masked, pose)], dim=1),
        garment=repeated(garment, rows),
        garment_prompt=repeated(inputs.garment_prompt, rows),
        text=_halves(inputs.negative_prompt, inputs.prompt, guides),
        image_tokens=repeated(image_tokens(nets, inputs.clip_pixels, guides), rows, dim=1),
        pooled=_halves(inputs.negative_pooled, inputs.pooled, guides),
        time_ids=torch.tensor([[height, width, 0, 0, height, width]], dtype=inputs.prompt.dtype).repeat(
            rows, 1
        ),
    )


def encode(nets: Nets, pixels: Tensor, posterior: Posterior, generator: Generator | None) -> Tensor:
    """Pixels (B, 3, H, W) in [-1, 1] → scaled latents (B, 4, h, w)."""
    distribution = nets.vae.encode(pixels).latent_dist
    latents = distribution.sample(generator) if posterior == "sample" else distribution.mode()
    return latents * nets.vae.config.scaling_factor


def image_tokens(nets: Nets, clip_pixels: Tensor, guides: bool) -> Tensor:
    """Image tokens (halves, B, 16, C); the unconditional half is that of all-zero normalised pixels."""
    pictures = [torch.zeros_like(clip_pixels), clip_pixels] if guides else [clip_pixels]
    hidden = [
        nets.image_encoder(picture, output_hidden_states=True).hidden_states[-2] for picture in pictures
    ]
    return nets.tryon.image_tokens(torch.cat(hidden)).unflatten(0, (len(pictures), -1))


def repeated(tensor: Tensor, rows: int, dim: int = 0) -> Tensor:
    """Repeat the tensor along `dim` to `rows` rows; ValueError if `rows` is no multiple of its rows."""
    if rows % tensor.shape[dim]:
        raise ValueError(f"{tensor.shape[dim]} rows do not fill a batch of {rows}")
    return torch.cat([tensor] * (rows // tensor.shape[dim]), dim=dim)


def _halves(uncond: Tensor, cond: Tensor, guides: bool) -> Tensor:
    return torch.stack([repeated(uncond, len(cond)), cond]) if guides else cond.unsqueeze(0)


def _is_normalised(image: PipelineImageInput) -> bool:
    """Whether an image is in [-1, 1], by the released code's rule: it has a negative value."""
    return isinstance(image, Tensor | np.ndarray) and bool((image < 0).any())


def _mask_processor(nets: Nets) -> VaeImageProcessor:
    return VaeImageProcessor(
        vae_scale_factor=nets.factor, do_normalize=False, do_binarize=True, do_convert_grayscale=True
    )


def _step_options(scheduler: SchedulerMixin, generator: Generator | None) -> dict[str, object]:
    """Return eta 0 for DDIM, and the run's generator for schedulers that draw noise."""
    known = inspect.signature(scheduler.step).parameters
    options = {"eta": 0.0, "generator": generator}
    return {name: value for name, value in options.items() if name in known}
