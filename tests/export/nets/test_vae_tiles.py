"""VAE tiles change nothing below the limit and show no seam above it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from vitrine_export.nets import vae_tiles


def enlarge(latents):
    """A decoder without neighbourhood, so that tiling must change nothing."""
    return F.interpolate(latents[:, :3], scale_factor=8)


@pytest.mark.parametrize("size", [(20, 45), (16, 16), (17, 8), (8, 40)])
def test_tiles_show_no_seam(size):
    """At any size the blended tiles equal the whole picture, and no call is larger than a tile."""
    latents = torch.randn(2, 16, *size)
    seen = []

    def decoder(part):
        seen.append(part.shape[-2:])
        return enlarge(part)

    made = vae_tiles.decode(decoder, latents, tile=16, overlap=4)
    assert torch.allclose(made, enlarge(latents), atol=1e-5)
    assert max(max(shape) for shape in seen) <= 16


def test_pixels_are_encoded_in_tiles_too():
    """Encoding in tiles equals encoding at once, with sizes counted in latents."""
    pixels = torch.randn(1, 3, 160, 360)
    made = vae_tiles.encode(lambda part: F.avg_pool2d(part, 8), pixels, tile=16, overlap=4)
    assert torch.allclose(made, F.avg_pool2d(pixels, 8), atol=1e-5)


def test_up_to_the_limit_it_is_one_call():
    """A picture within the limit is decoded in one call, bit for bit."""
    latents = torch.randn(1, 16, 16, 16)
    assert torch.equal(vae_tiles.decode(enlarge, latents, tile=16, overlap=4), enlarge(latents))


@pytest.mark.parametrize("overlap", [0, 16])
def test_an_overlap_that_cannot_be_is_refused(overlap):
    """An overlap of nothing or of a whole tile is refused."""
    with pytest.raises(ValueError, match="overlap must be more than 0"):
        vae_tiles.starts(40, 16, overlap)
