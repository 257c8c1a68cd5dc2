"""Opens FASHN VTON's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path

from vitrine_orchestrator.fashn.engine.onnx_engine import load_engine
from vitrine_orchestrator.fashn.facts import read_facts
from vitrine_orchestrator.fashn.program import FashnProgram
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.settings import Settings


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> FashnProgram:
    """The program of a version folder; Unavailable for a missing graph."""
    engine = load_engine(folder, provider, device_id, settings.denoise_threads)
    program = FashnProgram(engine, read_facts(manifest))
    program.warm()
    return program
