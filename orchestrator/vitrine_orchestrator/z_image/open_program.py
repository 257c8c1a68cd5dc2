"""Opens Z-Image's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path

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
    device = cpu(settings.denoise_threads) if provider == "cpu" else cuda(device_id, provider == "tensorrt")
    facts = read_facts(manifest)
    loras = Registry(settings.lora_folder, FAMILY, manifest.digest, settings.lora_bytes)
    return ZImageProgram(OnnxEngine(folder, device), facts, Schedules(facts.scheduler), loras)
