"""The baseline of the bench, called the old service: the same checkpoint in eager torch behind one lock.

Each request prepares person, garment and text itself, and every step runs both UNets in full. The person
networks that a checkpoint holds as ONNX files run in onnxruntime, as in Vitrine.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection
from vitrine_export.checkpoint import Checkpoint
from vitrine_export.exporting.onnx_file import session
from vitrine_export.nets.pipeline import Choices, Inputs, Nets, guided
from vitrine_export.nets.pipeline import prepare as prepared
from vitrine_export.nets.step_forms import plain
from vitrine_export.person_nets import BodyPose
from vitrine_orchestrator.images.clip import pixel_values
from vitrine_orchestrator.images.fitting import fitted
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.person import densepose, parsing, pose, prepare
from vitrine_orchestrator.person.labels import Category
from vitrine_orchestrator.person.mask import inpainting_mask
from vitrine_orchestrator.pictures import Limits, Picture, decode, encode
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.stages import NETWORK_FILE
from vitrine_orchestrator.try_on.facts import FAMILY, read_facts
from vitrine_orchestrator.try_on.prepare_text import read_tokenizers

SCHEDULERS = {"DDPMScheduler": diffusers.DDPMScheduler, "DDIMScheduler": diffusers.DDIMScheduler}
ONNX_NETWORKS = ("parsing_atr", "parsing_lip", "densepose")
WIDTH, HEIGHT = densepose.WIDTH, densepose.HEIGHT  # pixels of the person networks' input


@dataclass(frozen=True)
class Texts:
    """The five embeddings of one description, each with a batch axis of 1."""

    prompt: Tensor
    negative_prompt: Tensor
    pooled: Tensor
    negative_pooled: Tensor
    garment_prompt: Tensor


class OldService:
    """Runs all networks in this process, one request at a time."""

    def __init__(self, checkpoint: Checkpoint, repository: Path, scheduler: str | None = None) -> None:
        """Load the networks of a checkpoint, and the tokenizers and ONNX person networks of its export.

        `repository` is the model repository that was exported from the checkpoint. `scheduler` is a key of
        SCHEDULERS; by default it is the checkpoint's own.
        """
        self.facts = read_facts(read_manifest(repository / "denoise" / "1", FAMILY))
        self.nets = Nets(
            checkpoint.tryon(), checkpoint.garment(), checkpoint.vae(), checkpoint.image_encoder()
        )
        self.pose: BodyPose = checkpoint.pose()
        self.text: CLIPTextModel = checkpoint.text_encoder()
        self.text_2: CLIPTextModelWithProjection = checkpoint.text_encoder_2()
        self.tokens = read_tokenizers(repository / "prepare_text" / "1", self.facts)
        self.files = {name: session(repository / name / "1" / NETWORK_FILE) for name in ONNX_NETWORKS}
        kind = SCHEDULERS[scheduler or checkpoint.scheduler["_class_name"]]
        self.scheduler = kind.from_config(checkpoint.scheduler)
        self._one_at_a_time = threading.Lock()

    @torch.no_grad()
    def try_on(
        self, person: bytes, garment: bytes, category: Category, description: str, seed: int, steps: int
    ) -> bytes:
        """Return the composited picture as PNG bytes; all pictures have the checkpoint's size."""
        with self._one_at_a_time:
            inputs = self._inputs(self._decoded(person), self._decoded(garment), category, description)
            return encode(self._denoised(inputs, seed, steps), "png")

    def _decoded(self, encoded: bytes) -> Picture:
        picture = decode(encoded, "picture", Limits())
        return fitted(picture, self.facts.width, self.facts.height, "fit").picture

    def _inputs(self, person: Picture, garment: Picture, category: Category, description: str) -> Inputs:
        seen = np.asarray(Image.fromarray(person).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        mask = inpainting_mask(self._labels(seen), self._keypoints(seen), category)
        mask = prepare.mask_at(mask, self.facts.width, self.facts.height)
        body = densepose.pose_picture(self._file("densepose", seen), self.facts.width, self.facts.height)
        return Inputs(
            image=Image.fromarray(person),
            mask=Image.fromarray(mask),
            pose=_row(prepare.pixels(body)),
            garment=_row(prepare.pixels(garment)),
            clip_pixels=_row(pixel_values(garment, self.facts.image_size)),
            **vars(self._texts(description)),
        )

    def _keypoints(self, seen: Picture) -> np.ndarray:
        affinities, heatmaps = self.pose(_row(pose.network_input(seen)))
        return pose.keypoints(affinities[0].numpy(), heatmaps[0].numpy(), WIDTH, HEIGHT)

    def _labels(self, seen: Picture) -> np.ndarray:
        atr, lip = (
            self._file(name, parsing.network_input(seen, size))
            for name, size in (("parsing_atr", parsing.ATR_SIZE), ("parsing_lip", parsing.LIP_SIZE))
        )
        return parsing.merged_labels(atr, lip, WIDTH, HEIGHT)

    def _file(self, name: str, picture: np.ndarray) -> np.ndarray:
        return self.files[name].run(None, {"image": picture[None]})[0][0]

    def _texts(self, description: str) -> Texts:
        facts = self.facts
        prompts = (facts.person_prompt, facts.negative_prompt, facts.garment_prompt)
        texts = [prompt.format(description) for prompt in prompts]
        first, second = (torch.from_numpy(np.stack([ids(text) for text in texts])) for ids in self.tokens)
        hidden = self.text(first, output_hidden_states=True).hidden_states[-2]
        pooled = self.text_2(second, output_hidden_states=True)
        hidden = torch.cat([hidden, pooled.hidden_states[-2]], dim=-1)
        embeds = pooled.text_embeds
        return Texts(hidden[:1], hidden[1:2], embeds[:1], embeds[1:2], hidden[2:])

    def _denoised(self, inputs: Inputs, seed: int, steps: int) -> Picture:
        """Run every step in full: GarmentNet, then TryonNet with queries for the garment's tokens too."""
        guidance, generator = self.facts.default_guidance, torch.Generator().manual_seed(seed)
        nets, scheduler = self.nets, self.scheduler
        job = prepared(nets, inputs, Choices(steps, guidance, posterior="mode"), generator)
        predict = plain(nets.tryon, nets.garment, job)
        scheduler.set_timesteps(steps)
        latents = torch.from_numpy(initial_noise(seed, tuple(job.garment.shape))) * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            seen = scheduler.scale_model_input(latents, timestep)
            prediction = guided(predict(seen, timestep.expand(1)), job.halves, guidance)
            latents = scheduler.step(prediction, timestep, latents, generator=generator).prev_sample
        pixels = nets.vae.decode(latents / nets.vae.config.scaling_factor).sample
        return prepare.picture(pixels[0].numpy())


def _row(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)[None]
