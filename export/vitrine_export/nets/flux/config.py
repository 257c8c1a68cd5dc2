"""The settings of a FLUX transformer, as transformer/config.json names them."""

from __future__ import annotations

from dataclasses import dataclass

THETA = 10000.0
POSITIONS = 1024
"""The most rows and columns of picture tokens: pictures of up to 16384 pixels per side."""


@dataclass(frozen=True)
class FluxConfig:
    """Settings; the defaults are those of the released FLUX.1 dev, except guidance, which schnell lacks."""

    in_channels: int = 64
    num_layers: int = 19
    num_single_layers: int = 38
    attention_head_dim: int = 128
    num_attention_heads: int = 24
    joint_attention_dim: int = 4096
    pooled_projection_dim: int = 768
    guidance_embeds: bool = False
    axes_dims_rope: tuple[int, ...] = (16, 56, 56)

    def __post_init__(self) -> None:
        """Raise ValueError for widths that do not fit together."""
        if sum(self.axes_dims_rope) != self.attention_head_dim:
            raise ValueError(
                f"axes_dims_rope must sum to attention_head_dim {self.attention_head_dim}, "
                f"got {self.axes_dims_rope}"
            )

    @property
    def dim(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim
