"""GarmentNet: a UNet over clean garment latents, of which only the self-attention inputs are used."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from vitrine_export.nets.attention import Capturing
from vitrine_export.nets.unet_steps import Site, steps_of, tokens_of, transform, traverse


class GarmentNet(nn.Module):
    """Captures norm1(h) of every transformer block: one tensor (R, N, C) per block, in execution order."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet
        steps = steps_of(unet)
        last = max(index for index, step in enumerate(steps) if step.sites)
        self.steps = steps[:last]  # up to the last attention; what follows its last norm1 is not needed
        self.last = steps[last]
        upsampler = tuple(step for step in steps[last + 1 : last + 2] if step.kind == "up")
        self.released_steps = steps[: last + 1] + upsampler  # all except the up block without attention

    @property
    def sites(self) -> tuple[Site, ...]:
        """The transformer blocks in execution order."""
        return tuple(site for step in (*self.steps, self.last) for site in step.sites)

    def forward(self, latents: Tensor, timesteps: Tensor, prompt: Tensor) -> list[Tensor]:
        """Compute features of scaled latents (R, 4, h, w) at timesteps (R,) under prompt (R, 77, context)."""
        capturing = Capturing(prompt)
        hidden = traverse(self.steps, *self._start(latents, timesteps), capturing)
        return self._finish(hidden, capturing)

    def released(self, latents: Tensor, timesteps: Tensor, prompt: Tensor) -> list[Tensor]:
        """Run `forward` with the released code's work: also the upsampler, whose output is not used."""
        capturing = Capturing(prompt)
        traverse(self.released_steps, *self._start(latents, timesteps), capturing)
        return capturing.features

    def _start(self, latents: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        unet = self.unet
        embedding = unet.time_embedding(unet.time_proj(timesteps).to(latents.dtype))
        return unet.conv_in(latents), embedding

    def _finish(self, hidden: Tensor, capturing: Capturing) -> list[Tensor]:
        """Run the last transformer up to the input of its last block's self-attention."""
        tokens = tokens_of(self.last.module, hidden)
        for site in self.last.sites[:-1]:
            tokens = transform(site, tokens, capturing)
        capturing.features.append(self.last.sites[-1].block.norm1(tokens))
        return capturing.features


def doubled(features: list[Tensor]) -> list[Tensor]:
    """Return features for guidance as the released code does: [zeros, features] along the rows."""
    return [torch.cat([torch.zeros_like(feature), feature]) for feature in features]
