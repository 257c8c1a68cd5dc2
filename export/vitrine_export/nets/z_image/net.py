"""The network: refines picture and caption tokens separately, then both in one stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrine_export.nets.dit.layers import FREQUENCIES, RmsNorm, layer_norm, sinusoids
from vitrine_export.nets.dit.lora_rows import RowLora, place
from vitrine_export.nets.dit.rotary import RotaryTable, bias_of
from vitrine_export.nets.z_image.block import AttentionInputs, Block
from vitrine_export.nets.z_image.config import ZImageConfig

TIME_WIDTH = 1024
PATCH_KEY = "2-1"  # the patch in released keys: 2 latent pixels per side, 1 frame


class TimeEmbedding(nn.Module):
    """Embeds times (B,) as (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, TIME_WIDTH), nn.SiLU(), nn.Linear(TIME_WIDTH, width))

    def forward(self, times: Tensor) -> Tensor:
        return self.mlp(sinusoids(times).to(self.mlp[0].weight.dtype))


class FinalLayer(nn.Module):
    """Maps tokens (B, N, dim) to patches (B, N, patch width), modulated by the time."""

    def __init__(self, config: ZImageConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.dim, config.patch_width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(config.modulation_width, config.dim))

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        scale = 1.0 + self.adaLN_modulation(time).unsqueeze(1)
        return self.linear(layer_norm(tokens) * scale)


class ZImageNet(nn.Module):
    """The transformer, with the released key names; every row has its own size, caption and time."""

    def __init__(self, config: ZImageConfig) -> None:
        super().__init__()
        self.config = config
        self.all_x_embedder = nn.ModuleDict({PATCH_KEY: nn.Linear(config.patch_width, config.dim)})
        self.all_final_layer = nn.ModuleDict({PATCH_KEY: FinalLayer(config)})
        self.t_embedder = TimeEmbedding(config.modulation_width)
        self.cap_embedder = nn.Sequential(
            RmsNorm(config.cap_feat_dim, config.norm_eps), nn.Linear(config.cap_feat_dim, config.dim)
        )
        refiners = range(config.n_refiner_layers)
        self.noise_refiner = nn.ModuleList(Block(config, modulated=True) for _ in refiners)
        self.context_refiner = nn.ModuleList(Block(config, modulated=False) for _ in refiners)
        self.layers = nn.ModuleList(Block(config, modulated=True) for _ in range(config.n_layers))
        self.x_pad_token = nn.Parameter(torch.zeros(1, config.dim))
        self.cap_pad_token = nn.Parameter(torch.zeros(1, config.dim))
        self.rotary = RotaryTable(config.rope_theta, config.axes_dims, config.axes_lens)
        self.sites = place(self)

    def forward(
        self,
        patches: Tensor,  # (B, Ni, patch width)
        picture_ids: Tensor,  # (B, Ni, 3) int64
        picture_pad: Tensor,  # (B, Ni) bool: the learned pad token, which is attended
        picture_valid: Tensor,  # (B, Ni) bool: False is masked
        caption: Tensor,  # (B, Nc, caption width)
        caption_ids: Tensor,  # (B, Nc, 3) int64
        caption_pad: Tensor,  # (B, Nc) bool
        caption_valid: Tensor,  # (B, Nc) bool
        time: Tensor,  # (B,) float32: 1 − σ, 0 is noise
        lora: RowLora | None = None,
    ) -> Tensor:
        """Return the released net's output (B, Ni, patch width): the negative velocity."""
        time = self.t_embedder(time * self.config.t_scale).to(patches.dtype)
        picture = self.all_x_embedder[PATCH_KEY](patches)
        picture = torch.where(picture_pad.unsqueeze(-1), self.x_pad_token, picture)
        words = torch.where(caption_pad.unsqueeze(-1), self.cap_pad_token, self.cap_embedder(caption))
        of_picture = AttentionInputs(self.rotary(picture_ids), bias_of(picture_valid, picture.dtype))
        of_caption = AttentionInputs(self.rotary(caption_ids), bias_of(caption_valid, words.dtype))
        for block in self.noise_refiner:
            picture = block(picture, of_picture, time, lora)
        for block in self.context_refiner:
            words = block(words, of_caption, None, lora)
        both, of_both = torch.cat([picture, words], dim=1), of_picture.followed_by(of_caption)
        for block in self.layers:
            both = block(both, of_both, time, lora)
        return self.all_final_layer[PATCH_KEY](both[:, : patches.shape[1]], time)
