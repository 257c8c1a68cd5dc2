"""Opens Z-Image's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path

from vitrine_orchestrator.cores.turn_lock import open_turn_lock
from vitrine_orchestrator.engine.onnx_device import cpu, cuda
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.engine import OnnxEngine
from vitrine_orchestrator.z_image.facts import read_facts
from vitrine_orchestrator.z_image.program import ZImageProgram


def open_program(
    folder: Path, manifest: Manifest, settings: Settings, provider: str = "cpu", device_id: int = 0
) -> ZImageProgram:
    """The program of a version folder.

    Raises Unavailable for a missing graph and UnsupportedScheduler for a scheduler that is not implemented.
    """
    facts = read_facts(manifest)
    if provider == "cpu":
        engine = OnnxEngine(folder, cpu(settings.denoise_threads), open_turn_lock())
    else:
        engine = OnnxEngine(folder, cuda(device_id, provider == "tensorrt"))
    loras = Registry(settings.lora_folder, FAMILY, manifest.digest, settings.lora_bytes)
    return ZImageProgram(engine, facts, Schedules(facts.scheduler), loras)
