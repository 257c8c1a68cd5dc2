"""The settings of a Z-Image transformer, as transformer/config.json names them."""

from __future__ import annotations

from dataclasses import dataclass

PATCH = 2  # latent pixels per side; the released model has no other size
MODULATION_WIDTH = 256  # largest width of the time embedding


@dataclass(frozen=True)
class ZImageConfig:
    """Settings; the defaults are those of the released Z-Image Turbo."""

    in_channels: int = 16
    dim: int = 3840
    n_layers: int = 30
    n_refiner_layers: int = 2
    n_heads: int = 30
    norm_eps: float = 1e-5
    qk_norm: bool = True
    cap_feat_dim: int = 2560
    rope_theta: float = 256.0
    t_scale: float = 1000.0
    axes_dims: tuple[int, ...] = (32, 48, 48)
    axes_lens: tuple[int, ...] = (1536, 512, 512)

    def __post_init__(self) -> None:
        """Raise ValueError for widths that do not fit together."""
        if self.dim % self.n_heads or sum(self.axes_dims) != self.dim // self.n_heads:
            raise ValueError(
                f"axes_dims must sum to dim / n_heads = {self.dim} / {self.n_heads}, got {self.axes_dims}"
            )

    @property
    def patch_width(self) -> int:
        """The width of a picture token: channels of all pixels of a patch."""
        return PATCH * PATCH * self.in_channels

    @property
    def modulation_width(self) -> int:
        """The width of the time embedding."""
        return min(self.dim, MODULATION_WIDTH)
