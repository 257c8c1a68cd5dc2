"""The networks of the stages: modules that give the models the inputs and outputs of the stage table."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.exporting.network import Network, stage_network
from vitrine_export.nets import ImageProjection

FIRST_CLIP_END = 2
"""An eos_token_id of 2 in a config is an error of old transformers: the end is the highest id of the row."""


class TextEncoder(nn.Module):
    """Token ids (R, 77) → the hidden states before the last layer (R, 77, C)."""

    def __init__(self, model: CLIPTextModel) -> None:
        super().__init__()
        self.embeddings, self.layers = model.embeddings, model.encoder.layers[:-1]

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.embeddings(input_ids=input_ids)
        for layer in self.layers:
            hidden = layer(hidden, None, is_causal=True)
        return hidden


class PooledTextEncoder(nn.Module):
    """Token ids (R, 77) → the hidden states before the last layer (R, 77, C), pooled (R, P)."""

    def __init__(self, model: CLIPTextModelWithProjection) -> None:
        super().__init__()
        text = model.text_model
        self.before, self.last, self.norm = TextEncoder(text), text.encoder.layers[-1], text.final_layer_norm
        self.projection, self.end = model.text_projection, model.config.eos_token_id

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.before(input_ids)
        last = self.norm(self.last(hidden, None, is_causal=True))
        marks = input_ids if self.end == FIRST_CLIP_END else input_ids == self.end
        end = marks.int().argmax(dim=-1)[:, None, None].expand(-1, 1, last.shape[-1])
        return hidden, self.projection(last.gather(1, end)[:, 0])


class ImageEncoder(nn.Module):
    """CLIP pixels (R, 3, S, S) → image tokens (R, 16, C): hidden states before the last layer, resampled."""

    def __init__(self, model: CLIPVisionModelWithProjection, projection: ImageProjection) -> None:
        super().__init__()
        vision = model.vision_model
        self.embeddings, self.norm, self.layers = (
            vision.embeddings,
            vision.pre_layrnorm,
            vision.encoder.layers[:-1],
        )
        self.projection = projection

    def forward(self, pixel_values: Tensor) -> Tensor:
        hidden = self.norm(self.embeddings(pixel_values))
        for layer in self.layers:
            hidden = layer(hidden, None)
        return self.projection(hidden)


class VaeEncoder(nn.Module):
    """Pixels (R, 3, H, W) in [-1, 1] → mean and deviation of the scaled latents, (R, 4, H/8, W/8)."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae, self.scale = vae, vae.config.scaling_factor

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        posterior = self.vae.encode(pixels).latent_dist
        return posterior.mean * self.scale, posterior.std * self.scale


class VaeDecoder(nn.Module):
    """Scaled latents (R, 4, h, w) → pixels (R, 3, 8h, 8w), clipped to [-1, 1]."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae, self.scale = vae, vae.config.scaling_factor

    def forward(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents / self.scale).sample.clamp(-1, 1)


def pose(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    return [stage_network(row, checkpoint.pose(dtype), dtype)]


def text_encoder(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    model = checkpoint.text_encoder(dtype)
    return [stage_network(row, TextEncoder(model), dtype, words=model.config.vocab_size)]


def text_encoder_2(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    model = checkpoint.text_encoder_2(dtype)
    return [stage_network(row, PooledTextEncoder(model), dtype, words=model.config.vocab_size)]


def image_encoder(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    """Return the image encoder for the one input size that CLIP's learned positions allow."""
    model = checkpoint.image_encoder(dtype)
    side = model.config.image_size
    module = ImageEncoder(model, checkpoint.image_projection(dtype))
    return [stage_network(row, module, dtype, fixed={"clip_height": side, "clip_width": side})]


def vae_encoder(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    return [stage_network(row, VaeEncoder(checkpoint.vae(dtype)), dtype)]


def vae_decoder(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    return [stage_network(row, VaeDecoder(checkpoint.vae(dtype)), dtype)]
