"""Values of config.json files that manifests repeat, with their library's default for a missing field."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from vitrine_export.errors import BadCheckpoint

LATENT_CHANNELS, PROJECTION_DIM, IMAGE_SIZE, TEXT_POSITIONS = 4, 512, 224, 77
CLIP_WORDS, T5_WORDS, QWEN3_WORDS = 49408, 32128, 151936  # vocab_size
CLIP_WIDTH, T5_WIDTH = 512, 512  # hidden_size and d_model
"""What diffusers' AutoencoderKL and transformers' configs have where a config.json omits the field."""

Config = Mapping[str, Any]


def whole(part: str, config: Config, name: str, default: int | None = None) -> int:
    """Return a positive whole number of a part's config; BadCheckpoint for another value, or for none."""
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        got = repr(value) if name in config else "nothing"
        raise BadCheckpoint(f"{part}/config.json: {name} must be a positive whole number, got {got}")
    return value


VAE_NUMBERS = ("scaling_factor", "shift_factor")
"""What a VAE's latents are scaled and shifted with; diffusers writes null where a config has none."""


def ensure_vae_numbers(config: Config) -> None:
    """Raise BadCheckpoint for a scale or shift of a VAE's latents that cannot be."""
    for name in VAE_NUMBERS:
        value = config.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not number or (name == "scaling_factor" and value <= 0):
            rule = "a finite number" + (" of more than 0" if name == "scaling_factor" else "")
            raise BadCheckpoint(f"vae/config.json: {name} must be {rule}, got {value!r}")


def vae_factor(config: Config) -> int:
    """Return the pixels per latent pixel of a VAE, by the number of its levels."""
    levels = config.get("block_out_channels")
    if not isinstance(levels, list) or not levels:
        got = repr(levels) if levels is not None else "nothing"
        raise BadCheckpoint(
            f"vae/config.json: block_out_channels must be a list with a width a level, got {got}"
        )
    return 2 ** (len(levels) - 1)
