"""Every stage in this process, without Triton: for scores, tests and a try-on from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from vitrine.errors import VitrineError

from vitrine_orchestrator.denoise.front import Front, open_front
from vitrine_orchestrator.denoise.settings import DenoiseSettings
from vitrine_orchestrator.manifest import read_manifest, read_manifest_json
from vitrine_orchestrator.pipelines.context import Context
from vitrine_orchestrator.pipelines.garment import prepare_garment
from vitrine_orchestrator.pipelines.person import prepare_person
from vitrine_orchestrator.pipelines.text import Tokenizers, prepare_text, read_tokenizers
from vitrine_orchestrator.stage_calls import Arrays, OnnxStages, Stages


class LocalStages:
    """Networks by `networks`, denoising by `denoise`, and the prepare models by their own pipelines."""

    def __init__(self, context: Context, tokenizers: Tokenizers, denoise: Front) -> None:
        """`context.stages` runs the networks."""
        self.context, self.denoise = context, denoise
        self._models: dict[str, Callable[[Arrays], Awaitable[dict[str, np.ndarray]]]] = {
            "prepare_person": lambda inputs: prepare_person(context, inputs),
            "prepare_garment": lambda inputs: prepare_garment(context, inputs),
            "prepare_text": lambda inputs: prepare_text(context, tokenizers, inputs),
            "denoise": self._denoise,
        }

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run a model's pipeline, or a network."""
        return await self._models.get(name, lambda given: self.context.stages(name, given))(inputs)

    async def _denoise(self, inputs: Arrays) -> dict[str, np.ndarray]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[dict[str, np.ndarray]] = loop.create_future()

        def settle(answer: Arrays | VitrineError) -> None:
            if answered.cancelled():
                return
            if isinstance(answer, VitrineError):
                answered.set_exception(answer)
            else:
                answered.set_result(dict(answer))

        self.denoise.handle(inputs, lambda answer: loop.call_soon_threadsafe(settle, answer))
        return await answered

    def close(self) -> None:
        """Stop the denoising threads."""
        self.denoise.close()


def open_local(repository: Path, networks: Stages | None = None) -> tuple[Context, LocalStages]:
    """A context whose stages all run here, from a model repository that `make export` filled.

    Close the second when done.
    """
    folder = repository / "prepare_text" / "1"
    manifest = read_manifest(folder)
    context = Context(networks or OnnxStages(repository), manifest)
    denoise = repository / "denoise" / "1"
    front = open_front(denoise, read_manifest_json(denoise), DenoiseSettings())
    stages = LocalStages(context, read_tokenizers(folder, manifest), front)
    return replace(context, stages=stages), stages
