"""The resampler that turns an image encoder's hidden states into image tokens (IP-Adapter-Plus).

Module names follow the released state dict (`encoder_hid_proj.layers.{i}.0.to_kv` …), which loads unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

RELEASED_HEAD_WIDTH = 64
RELEASED_QUERIES = 16
RELEASED_DEPTH = 4


@dataclass(frozen=True)
class ProjectionShape:
    """Sizes of an `ImageProjection`: `embedding_dim` in, `queries` of `output_dim` out, `dim` inside."""

    dim: int
    depth: int
    head_width: int
    heads: int
    queries: int
    embedding_dim: int
    output_dim: int
    widening: int = 4

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read `image_projection` of unet/config.json, with the released sizes for what it omits."""
        sizes = dict(config.get("image_projection") or {})
        embedding_dim = int(sizes.get("embedding_dim") or config["encoder_hid_dim"])
        dim = int(sizes.get("dim", embedding_dim))
        head_width = int(
            sizes.get("dim_head", RELEASED_HEAD_WIDTH if dim % RELEASED_HEAD_WIDTH == 0 else dim)
        )
        return cls(
            dim=dim,
            depth=int(sizes.get("depth", RELEASED_DEPTH)),
            head_width=head_width,
            heads=int(sizes.get("heads", dim // head_width)),
            queries=int(sizes.get("num_queries", RELEASED_QUERIES)),
            embedding_dim=embedding_dim,
            output_dim=int(sizes.get("output_dim") or config["cross_attention_dim"]),
            widening=int(sizes.get("ff_mult", 4)),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], prefix: str, head_width: int | None = None) -> Self:
        """Read the sizes from the weights with `prefix`. The head width, which they lack, defaults to 64.

        Raises ValueError if the inner width is not a multiple of the head width.
        """
        inner, dim = state[f"{prefix}layers.0.0.to_q.weight"].shape
        head_width = head_width or RELEASED_HEAD_WIDTH
        names = [key.removeprefix(prefix).split(".") for key in state if key.startswith(prefix)]
        if inner % head_width:
            raise ValueError(
                f"image projection: inner width {inner} is no multiple of the head width {head_width}; "
                'set "image_projection": {"dim_head": …} in unet/config.json'
            )
        return cls(
            dim=dim,
            depth=len({name[1] for name in names if name[0] == "layers"}),
            head_width=head_width,
            heads=inner // head_width,
            queries=state[f"{prefix}latents"].shape[1],
            embedding_dim=state[f"{prefix}proj_in.weight"].shape[1],
            output_dim=state[f"{prefix}proj_out.weight"].shape[0],
            widening=state[f"{prefix}layers.0.1.1.weight"].shape[0] // dim,
        )

    def to_config(self) -> dict[str, int]:
        """Return the value of `image_projection` in unet/config.json."""
        return {
            "dim": self.dim,
            "depth": self.depth,
            "dim_head": self.head_width,
            "heads": self.heads,
            "num_queries": self.queries,
            "embedding_dim": self.embedding_dim,
            "output_dim": self.output_dim,
            "ff_mult": self.widening,
        }


class PerceiverAttention(nn.Module):
    """Queries from the latents, keys and values from [image; latents]; no biases."""

    def __init__(self, shape: ProjectionShape) -> None:
        super().__init__()
        inner = shape.heads * shape.head_width
        self.heads = shape.heads
        self.norm1 = nn.LayerNorm(shape.dim)
        self.norm2 = nn.LayerNorm(shape.dim)
        self.to_q = nn.Linear(shape.dim, inner, bias=False)
        self.to_kv = nn.Linear(shape.dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, shape.dim, bias=False)

    def forward(self, image: Tensor, latents: Tensor) -> Tensor:
        """image (R, M, D), latents (R, Q, D) → (R, Q, D)."""
        latents = self.norm2(latents)
        keys, values = self.to_kv(torch.cat([self.norm1(image), latents], dim=1)).chunk(2, dim=-1)
        query, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(latents), keys, values)
        )
        scale = query.shape[-1] ** -0.25  # on query and keys, which halves the range in fp16
        weight = ((query * scale) @ (keys * scale).transpose(-1, -2)).float().softmax(dim=-1)
        return self.to_out((weight.to(values.dtype) @ values).transpose(1, 2).flatten(2))


class ImageProjection(nn.Module):
    """Image encoder hidden states (R, M, embedding_dim) → image tokens (R, queries, output_dim)."""

    def __init__(self, shape: ProjectionShape) -> None:
        super().__init__()
        self.shape = shape
        self.latents = nn.Parameter(torch.randn(1, shape.queries, shape.dim) / shape.dim**0.5)
        self.proj_in = nn.Linear(shape.embedding_dim, shape.dim)
        self.proj_out = nn.Linear(shape.dim, shape.output_dim)
        self.norm_out = nn.LayerNorm(shape.output_dim)
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(shape), _feed_forward(shape)]) for _ in range(shape.depth)
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        latents = self.latents.expand(hidden_states.shape[0], -1, -1)
        image = self.proj_in(hidden_states)
        for attention, feed_forward in self.layers:
            latents = latents + attention(image, latents)
            latents = latents + feed_forward(latents)
        return self.norm_out(self.proj_out(latents))


def _feed_forward(shape: ProjectionShape) -> nn.Sequential:
    inner = shape.dim * shape.widening
    return nn.Sequential(
        nn.LayerNorm(shape.dim),
        nn.Linear(shape.dim, inner, bias=False),
        nn.GELU(),
        nn.Linear(inner, shape.dim, bias=False),
    )
