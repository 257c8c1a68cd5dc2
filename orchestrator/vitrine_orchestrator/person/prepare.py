"""Converts pictures and masks to network inputs, and VAE outputs to pictures, without the batch dimension.

The conversions are those of the released IDM-VTON pipeline; the masked area of a picture is 0, mid-grey.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_orchestrator.images.pixels import picture_of
from vitrine_orchestrator.stages.finite_check import check_finite


def mask_at(mask: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A mask (h, w) at (height, width), 0/255 uint8: bicubic, then a threshold of 127, as released."""
    resized = Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC)
    return np.where(np.asarray(resized) > 127, np.uint8(255), np.uint8(0))


def mask_latent(mask: NDArray[np.uint8], factor: int = 8) -> NDArray[np.float32]:
    """The mask (H, W) 0/255 at latent size: (1, H/factor, W/factor) float32; 1 is repainted, 0 is kept.

    It takes every factor-th pixel, as torch's interpolate "nearest" does; H and W are multiples of factor.
    """
    assert mask.shape[0] % factor == 0, (mask.shape, factor)
    assert mask.shape[1] % factor == 0, (mask.shape, factor)
    return (mask[None, ::factor, ::factor] > 127).astype(np.float32)


def pixels(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The VAE's input for a picture (H, W, 3) uint8 RGB: (3, H, W) float32 in [-1, 1]."""
    signed = picture.transpose(2, 0, 1) / np.float32(255) * np.float32(2) - np.float32(1)
    return np.ascontiguousarray(signed)


def masked_pixels(picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`pixels` with 0 where the mask (H, W) 0/255 is to be repainted."""
    return pixels(picture) * (mask <= 127)


def picture(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 RGB of the VAE's output (3, H, W) float32, nominally in [-1, 1].

    Raises StageFailed for NaN and infinity, which would become black and white.
    """
    check_finite("vae_decoder", {"pixels": pixels})
    return picture_of(pixels)
