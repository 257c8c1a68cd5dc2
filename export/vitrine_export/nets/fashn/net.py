"""The network of FASHN VTON: computes a velocity from noisy picture, person, garment and their poses.

The plain form is `forward`. The fast form has the same result: `fixed_tokens` once per job, `modulations`
once per (time, category), then `step`, which also omits what the last block computes for garment tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.fashn.blocks import DoubleBlock, Rope, SingleBlock, modulated, rope_table
from vitrine_export.nets.fashn.config import FashnConfig

FREQUENCIES = 128  # frequencies of the time embedding: cosines, then sines
TIME_SCALE = 1000.0
MAX_PERIOD = 10000.0
CHANNELS = 3
NULL = 0  # category of an unconditional row

_Mods = Iterator[Tensor]
"""Iterates over the modulations of the blocks in order."""


def sinusoids(times: Tensor) -> Tensor:
    """cos and sin of 1000 t 10000^(-i/128), i = 0 … 127, of times (B,): (B, 256) float32."""
    steps = torch.arange(FREQUENCIES, dtype=torch.float32, device=times.device)
    frequencies = torch.exp(-math.log(MAX_PERIOD) * steps / FREQUENCIES)
    angles = (TIME_SCALE * times.float())[:, None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class Patches(nn.Module):
    """Turns patches into tokens: a convolution whose stride is its size."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, d, rows, columns)."""
        return self.proj(pixels)


class TimeEmbedding(nn.Module):
    """Embeds a time in 0…1 as a vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Module()
        self.mlp.in_layer, self.mlp.out_layer = nn.Linear(2 * FREQUENCIES, width), nn.Linear(width, width)

    def forward(self, times: Tensor) -> Tensor:
        """(B,) → (B, d)."""
        waves = sinusoids(times).to(self.mlp.in_layer.weight.dtype)
        return self.mlp.out_layer(F.silu(self.mlp.in_layer(waves)))


class FinalLayer(nn.Module):
    """Turns tokens into patches."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, CHANNELS * patch * patch)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, mod: Tensor) -> Tensor:
        """(B, N, d), (B, 2d) → (B, N, 3·patch²): channel, row and column inside the patch, slowest first."""
        shift, scale = mod[:, None].chunk(2, dim=-1)
        return self.linear(modulated(x, shift, scale))


class FashnNet(nn.Module):
    """The network. Pictures are (B, 3, H, W) and poses (B, 1, H, W), in -1…1; times (B,) in 0…1."""

    def __init__(self, config: FashnConfig) -> None:
        super().__init__()
        self.config, d = config, config.hidden
        self.register_buffer("patch_mixer_token", torch.zeros(1, 1, CHANNELS * config.patch**2))  # not used
        self.t_embedder, self.y_embedder = TimeEmbedding(d), nn.Embedding(config.categories + 1, d)
        self.x_embedder = Patches(2 * CHANNELS + 1, d, config.patch)
        self.garment_embedder = Patches(CHANNELS + 1, d, config.patch)
        sizes = d, config.heads, config.mlp_ratio
        self.x_patch_mixer = nn.ModuleList(SingleBlock(*sizes) for _ in range(config.mixers))
        self.double_blocks = nn.ModuleList(DoubleBlock(*sizes) for _ in range(config.double_blocks))
        self.single_blocks = nn.ModuleList(SingleBlock(*sizes) for _ in range(config.single_blocks))
        self.final_layer = FinalLayer(d, config.patch)
        self.make_tables()

    def make_tables(self) -> None:
        """Compute the rotary tables, which are in no file of weights."""
        config = self.config
        cos, sin = rope_table(config.rows, config.columns, config.axes, config.theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    @classmethod
    def from_released(cls, config: FashnConfig, state: Mapping[str, Tensor]) -> FashnNet:
        """Build the network with released weights. Raises BadCheckpoint with the keys that do not fit."""
        net = cls(config)
        expected = net.state_dict()
        for what, keys in (
            ("unknown", state.keys() - expected.keys()),
            ("missing", expected.keys() - state.keys()),
            ("misshapen", {k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape}),
        ):
            if keys:
                raise BadCheckpoint(f"{what} weights: {', '.join(sorted(keys)[:8])} ({len(keys)} in all)")
        net.load_state_dict(dict(state))
        return net.eval()

    def forward(
        self,
        x: Tensor,
        times: Tensor,
        person: Tensor,
        person_pose: Tensor,
        garment: Tensor,
        garment_pose: Tensor,
        categories: Tensor,
    ) -> Tensor:
        """Compute the velocity (B, 3, H, W) as the released code does, without results of earlier steps."""
        image, clothes = self._embedded(x, person, person_pose, garment, garment_pose)
        mods = self._cut(self.modulations(times, categories))
        image, clothes = self._two_streams(image, clothes, mods)
        both = torch.cat((clothes, image), dim=1)
        for block in self.single_blocks:
            both = block(both, next(mods), self._rope(2))
        return self._pixels(self.final_layer(both[:, clothes.shape[1] :], next(mods)))

    def kept(
        self,
        x: Tensor,
        times: Tensor,
        pictures: tuple[Tensor, Tensor, Tensor, Tensor],
        categories: Tensor,
        image_kept: Tensor,
        garment_kept: Tensor,
    ) -> Tensor:
        """Compute some patches (B, K, 3·patch²) only: blocks see the given tokens of each row.

        pictures: person, person pose, garment, garment pose. image_kept (B, K) and garment_kept (B, G) int64
        are token numbers. Training runs this form; dropping tokens makes its steps several times cheaper
        (as in Zheng et al., "Fast training of diffusion models with masked transformers", 2023).
        """
        image, clothes = self._embedded(x, *pictures)
        mods = self._cut(self.modulations(times, categories))
        image, clothes = _chosen(image, image_kept), _chosen(clothes, garment_kept)
        ropes = self._rope_of(image_kept), self._rope_of(garment_kept)
        image = self._mixed(image, mods, ropes[0])
        for block in self.double_blocks:
            image, clothes = block(image, clothes, next(mods), next(mods), *ropes)
        both = torch.cat((clothes, image), dim=1)
        rope = self._rope_of(torch.cat((garment_kept, image_kept), dim=1))
        for block in self.single_blocks:
            both = block(both, next(mods), rope)
        return self.final_layer(both[:, clothes.shape[1] :], next(mods))

    def patches(self, pictures: Tensor) -> Tensor:
        """Cut pictures (B, 3, H, W) into patches (B, N, 3·patch²), in the order of the final layer."""
        rows, columns, patch = self.config.rows, self.config.columns, self.config.patch
        cut = pictures.unflatten(2, (rows, patch)).unflatten(4, (columns, patch))
        return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def fixed_tokens(
        self, person: Tensor, person_pose: Tensor, garment: Tensor, garment_pose: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the person's part of the image tokens and the garment tokens, (B, N, d), once per job."""
        part = torch.cat((person, person_pose), dim=1)
        weight, patch = self.x_embedder.proj.weight[:, CHANNELS:], self.config.patch
        fixed = F.conv2d(part, weight, self.x_embedder.proj.bias, stride=patch)
        return _tokens(fixed), _tokens(self.garment_embedder(torch.cat((garment, garment_pose), dim=1)))

    def modulations(self, times: Tensor, categories: Tensor) -> Tensor:
        """Return shifts, scales and gates of all blocks (B, M), which depend on time and category only."""
        vec = F.silu(self.t_embedder(times) + self.y_embedder(categories))
        return torch.cat([layer(vec) for layer in self._modulation_layers()], dim=-1)

    def step(self, x: Tensor, image_fixed: Tensor, garment_tokens: Tensor, modulations: Tensor) -> Tensor:
        """Compute the velocity from `fixed_tokens` and `modulations`; equals `forward` up to rounding."""
        weight, patch = self.x_embedder.proj.weight[:, :CHANNELS], self.config.patch
        image = image_fixed + _tokens(F.conv2d(x, weight, stride=patch))
        mods = self._cut(modulations)
        image, clothes = self._two_streams(image, garment_tokens, mods)
        both = torch.cat((clothes, image), dim=1)
        for block in self.single_blocks[:-1]:
            both = block(both, next(mods), self._rope(2))
        kept = self.single_blocks[-1].trimmed(both, next(mods), self._rope(2), clothes.shape[1])
        return self._pixels(self.final_layer(kept, next(mods)))

    def _embedded(
        self, x: Tensor, person: Tensor, person_pose: Tensor, garment: Tensor, garment_pose: Tensor
    ) -> tuple[Tensor, Tensor]:
        image = self.x_embedder(torch.cat((x, person, person_pose), dim=1))
        return _tokens(image), _tokens(self.garment_embedder(torch.cat((garment, garment_pose), dim=1)))

    def _mixed(self, image: Tensor, mods: _Mods, rope: Rope) -> Tensor:
        for block in self.x_patch_mixer:
            image = block(image, next(mods), rope)
        return image

    def _two_streams(self, image: Tensor, clothes: Tensor, mods: _Mods) -> tuple[Tensor, Tensor]:
        rope = self._rope(1)
        image = self._mixed(image, mods, rope)
        for block in self.double_blocks:
            image, clothes = block(image, clothes, next(mods), next(mods), rope, rope)
        return image, clothes

    def _rope(self, streams: int) -> Rope:
        """Return the rotary table; all streams have the same positions."""
        return self.cos.repeat(streams, 1), self.sin.repeat(streams, 1)

    def _rope_of(self, kept: Tensor) -> Rope:
        """Return the rotary table of token numbers (B, K): (B, 1, K, D/2) twice."""
        return self.cos[kept][:, None], self.sin[kept][:, None]

    def _modulation_layers(self) -> list[nn.Linear]:
        """Return the layers in the order of the blocks; the image's first in a double block."""
        layers = [block.modulation.lin for block in self.x_patch_mixer]
        for block in self.double_blocks:
            layers += [block.img_mod.lin, block.txt_mod.lin]
        layers += [block.modulation.lin for block in self.single_blocks]
        return [*layers, self.final_layer.adaLN_modulation[1]]

    def _cut(self, modulations: Tensor) -> _Mods:
        widths = [layer.out_features for layer in self._modulation_layers()]
        return iter(modulations.split(widths, dim=-1))

    def _pixels(self, tokens: Tensor) -> Tensor:
        rows, columns, patch = self.config.rows, self.config.columns, self.config.patch
        cut = tokens.unflatten(1, (rows, columns)).unflatten(-1, (CHANNELS, patch, patch))
        return cut.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _chosen(tokens: Tensor, kept: Tensor) -> Tensor:
    """(B, N, d), token numbers (B, K) → (B, K, d)."""
    return tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))


def _tokens(patches: Tensor) -> Tensor:
    """(B, d, rows, columns) → (B, N, d), row-major."""
    return patches.flatten(2).transpose(1, 2)
