"""Large pictures go through the VAE in tiles."""

from __future__ import annotations

import numpy as np
from vitrine_orchestrator.images.latent_tiles import decoded, encoded


async def test_large_pictures_go_through_the_vae_in_tiles():
    """Tiles of a network that looks at one latent only give the whole's result; no call is larger."""
    seen = []

    async def decoder(part):
        seen.append(part.shape)
        return np.repeat(part[:3], 8, axis=1).repeat(8, axis=2)

    async def encoder(part):
        seen.append(part.shape)
        return np.repeat(part[:1, ::8, ::8], 16, axis=0)

    latents = np.random.default_rng(0).standard_normal((16, 40, 70), np.float32)
    pixels = await decoded(decoder, latents, tile=32)
    assert np.abs(pixels - np.repeat(latents[:3], 8, axis=1).repeat(8, axis=2)).max() < 1e-5
    assert max(max(shape[1:]) for shape in seen) == 32
    seen.clear()
    whole = np.random.default_rng(1).standard_normal((3, 320, 560), np.float32)
    assert np.abs((await encoded(encoder, whole, tile=32))[0] - whole[0, ::8, ::8]).max() < 1e-5
    assert max(max(shape[1:]) for shape in seen) == 256
