"""The stages and try-ons of a running server, called with the client, for a score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from vitrine import AsyncVitrine
from vitrine_world import dolls

from vitrine_measure.score.run import Options, Picture, TryOn


class WireStages:
    """Calls a server's stages by their model names."""

    def __init__(self, vitrine: AsyncVitrine) -> None:
        self.vitrine = vitrine

    async def __call__(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a model; a network's arrays have the batch axis first."""
        return dict(await self.vitrine.infer(name, dict(inputs)))


def wire_try_on(vitrine: AsyncVitrine, options: Options) -> TryOn:
    """Return a function that requests try-ons with the client."""

    async def attempt(person: Picture, made: dolls.Sample, garment: Picture) -> tuple[Picture, np.ndarray]:
        result = await vitrine.try_on(
            person=person,
            garment=garment,
            category=made.category,
            description=None if options.brief else made.garment.description,
            seed=options.seed,
            steps=options.steps,
            guidance=options.guidance,
            model=options.model,
            garment_photo_type="flat-lay" if options.model == "fashn" else None,
        )
        return np.asarray(result.image.convert("RGB")), np.asarray(result.mask) > 0

    return attempt
