"""Opens the try-on's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.try_on.denoise_request import JobShapes
from vitrine_orchestrator.try_on.engine import load_engine
from vitrine_orchestrator.try_on.facts import read_facts
from vitrine_orchestrator.try_on.program import TryOnProgram


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> TryOnProgram:
    """The program of a version folder.

    Raises Unavailable for a missing graph and UnsupportedScheduler for a scheduler that is not implemented.
    """
    engine, facts = load_engine(folder, provider, device_id, settings.denoise_threads), read_facts(manifest)
    shapes = JobShapes(
        context_width=facts.context_width,
        pooled_width=facts.pooled_width,
        image_tokens=facts.image_tokens,
        channels=facts.channels,
        factor=facts.factor,
        latent_size=engine.latent_size,
    )
    return TryOnProgram(engine, shapes, Schedules(facts.scheduler), settings.garment_bytes)
