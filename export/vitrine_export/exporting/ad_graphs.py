"""The graphs of the advertising families: each network with tensors as inputs and one tensor as output."""

from __future__ import annotations

from diffusers import AutoencoderKL
from torch import Tensor, nn

from vitrine_export.nets.dit.lora_rows import RowLora, of_rows
from vitrine_export.nets.flux import FluxNet
from vitrine_export.nets.z_image import ZImageNet


class ZImageGraph(nn.Module):
    """ZImageNet with the LoRA slots as its last inputs."""

    def __init__(self, net: ZImageNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs: rows, time, then lora_down, lora_up and lora_slot."""
        *rows, down, up, slots = inputs
        return self.net(*rows, lora=of_rows(down, up, slots))


class FluxGraph(nn.Module):
    """FluxNet with the LoRA slots as its last inputs, after guidance if the net has it."""

    def __init__(self, net: FluxNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs: rows, time, guidance if the net has it, then lora_down, lora_up and lora_slot."""
        *rows, down, up, slots = inputs
        lora: RowLora = of_rows(down, up, slots)
        return self.net(*rows, lora=lora)


class LatentEncoder(nn.Module):
    """Pixels (B, 3, H, W) in [-1, 1] → scaled and shifted mode (B, 16, H/8, W/8) of the posterior."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae
        self.scale, self.shift = vae.config.scaling_factor, vae.config.shift_factor

    def forward(self, pixels: Tensor) -> Tensor:
        return (self.vae.encode(pixels).latent_dist.mean - self.shift) * self.scale


class LatentDecoder(nn.Module):
    """Latents (B, 16, h, w) → pixels (B, 3, 8h, 8w), about [-1, 1], not clipped."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae
        self.scale, self.shift = vae.config.scaling_factor, vae.config.shift_factor

    def forward(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents / self.scale + self.shift).sample
