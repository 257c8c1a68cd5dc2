"""Opens a picture family's program from a version folder of `denoise`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vitrine_orchestrator.cores.row_split import cores
from vitrine_orchestrator.cores.turn_lock import open_turn_lock
from vitrine_orchestrator.drawing.engine import OnnxEngine, RowForm
from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.drawing.job_request import JobRules
from vitrine_orchestrator.drawing.program import JobForm, PictureProgram
from vitrine_orchestrator.engine.onnx_device import cpu, cuda
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.settings import Settings


class FamilyForm(JobForm, RowForm, Protocol):
    """A family's part of a program: its jobs, and the rows of its graph."""

    @property
    def facts(self) -> PictureFacts:
        """The checkpoint's sizes and defaults."""
        ...


def open_pictures(
    path: Path, form: FamilyForm, manifest: Manifest, settings: Settings, provider: str, device_id: int
) -> PictureProgram:
    """The program of the transformer at `path`.

    Raises Unavailable for a missing graph and UnsupportedScheduler for a scheduler that is not implemented.
    """
    if provider == "cpu":
        lanes = settings.denoise_threads or cores()
        engine = OnnxEngine(path, form, cpu(lanes), open_turn_lock(), lanes)
    else:
        engine = OnnxEngine(path, form, cuda(device_id, provider == "tensorrt"))
    loras = Registry(settings.lora_folder, manifest.family, manifest.digest, settings.lora_bytes)
    rules = JobRules(manifest.family, Schedules(form.facts.scheduler), loras)
    return PictureProgram(engine, form, form.facts, rules)
