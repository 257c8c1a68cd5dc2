"""The network; in the released size it has 19 blocks of two streams and 38 of one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrine_export.nets.dit.layers import FREQUENCIES, layer_norm, sinusoids
from vitrine_export.nets.dit.lora_rows import RowLora, place
from vitrine_export.nets.dit.rotary import RotaryTable, bias_of
from vitrine_export.nets.flux.block import BlockInputs, DoubleBlock, SingleBlock
from vitrine_export.nets.flux.config import POSITIONS, THETA, FluxConfig

TIMES = 1000.0  # the net embeds 1000 times the time and guidance


class Embedder(nn.Module):
    """Embeds numbers (B, in) as (B, dim): linear, SiLU, linear."""

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(inputs, dim), nn.Linear(dim, dim)

    def forward(self, values: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(values.to(self.linear_1.weight.dtype))))


class Conditions(nn.Module):
    """The sum (B, dim) of the embeddings of time, pooled text, and guidance if the net has it."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.timestep_embedder = Embedder(FREQUENCIES, config.dim)
        if config.guidance_embeds:
            self.guidance_embedder = Embedder(FREQUENCIES, config.dim)
        self.text_embedder = Embedder(config.pooled_projection_dim, config.dim)

    def forward(self, time: Tensor, guidance: Tensor | None, pooled: Tensor) -> Tensor:
        found = self.timestep_embedder(sinusoids(time * TIMES))
        if guidance is not None:
            found = found + self.guidance_embedder(sinusoids(guidance * TIMES))
        return found + self.text_embedder(pooled)


class FinalModulation(nn.Module):
    """Normalises tokens and modulates them by the time, before the last linear."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.linear(F.silu(time)).unsqueeze(1).chunk(2, dim=-1)
        return layer_norm(tokens) * (1 + scale) + shift


class FluxNet(nn.Module):
    """The transformer, with the released key names; every row has its own size and time."""

    def __init__(self, config: FluxConfig) -> None:
        super().__init__()
        self.config, dim = config, config.dim
        self.time_text_embed = Conditions(config)
        self.context_embedder = nn.Linear(config.joint_attention_dim, dim)
        self.x_embedder = nn.Linear(config.in_channels, dim)
        self.transformer_blocks = nn.ModuleList(DoubleBlock(config) for _ in range(config.num_layers))
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(config) for _ in range(config.num_single_layers)
        )
        self.norm_out, self.proj_out = FinalModulation(dim), nn.Linear(dim, config.in_channels)
        dims = config.axes_dims_rope
        self.rotary = RotaryTable(THETA, dims, [POSITIONS] * len(dims))
        self.sites = place(self)

    def forward(
        self,
        patches: Tensor,  # (B, Ni, 64)
        picture_ids: Tensor,  # (B, Ni, 3) int64
        picture_valid: Tensor,  # (B, Ni) bool
        text: Tensor,  # (B, Nt, text width): with the encoder's padding, which is attended
        text_valid: Tensor,  # (B, Nt) bool: False is masked
        pooled: Tensor,  # (B, pooled width)
        time: Tensor,  # (B,) float32: σ, 1 is noise
        guidance: Tensor | None = None,  # (B,) float32, if the net has it
        lora: RowLora | None = None,
    ) -> Tensor:
        """Return the velocity dx/dσ of every patch (B, Ni, 64)."""
        embedded = self.time_text_embed(time, guidance, pooled)
        picture, words = self.x_embedder(patches), self.context_embedder(text)
        ids = torch.cat([picture_ids.new_zeros(*text.shape[:2], 3), picture_ids], dim=1)
        bias = bias_of(torch.cat([text_valid, picture_valid], dim=1), picture.dtype)
        given = BlockInputs(embedded, self.rotary(ids), bias, lora)
        for block in self.transformer_blocks:
            picture, words = block(picture, words, given)
        both = torch.cat([words, picture], dim=1)
        for block in self.single_transformer_blocks:
            both = block(both, given)
        return self.proj_out(self.norm_out(both[:, text.shape[1] :], embedded))
