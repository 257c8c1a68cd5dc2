"""The whole service in this process, on an exported repository: what Triton runs, without Triton."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from vitrine.errors import VitrineError
from vitrine_orchestrator.denoise.front import open_front
from vitrine_orchestrator.denoise.settings import DenoiseSettings
from vitrine_orchestrator.manifest import FILE, read_manifest
from vitrine_orchestrator.pipelines.context import Context
from vitrine_orchestrator.pipelines.garment import prepare_garment
from vitrine_orchestrator.pipelines.person import prepare_person
from vitrine_orchestrator.pipelines.text import prepare_text, read_tokenizers
from vitrine_orchestrator.stage_calls import OnnxStages

Arrays = Mapping[str, np.ndarray]


class LocalStages:
    """Answers every stage and model that `try_on` calls. Close it to stop the denoising thread."""

    def __init__(self, repository: Path, threads: int = 0) -> None:
        version = repository / "denoise" / "1"
        self.networks = OnnxStages(repository, threads)
        self.context = Context(self, read_manifest(version))
        self.tokenizers = read_tokenizers(repository / "prepare_text" / "1", self.context.manifest)
        self.front = open_front(version, json.loads((version / FILE).read_text()), DenoiseSettings(threads=threads))

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """The outputs of a network stage, of a `prepare_*` model or of `denoise`."""
        match name:
            case "prepare_person":
                return await prepare_person(self.context, inputs)
            case "prepare_garment":
                return await prepare_garment(self.context, inputs)
            case "prepare_text":
                return await prepare_text(self.context, self.tokenizers, inputs)
            case "denoise":
                return await self._denoised(inputs)
        return await self.networks(name, inputs)

    async def _denoised(self, inputs: Arrays) -> dict[str, np.ndarray]:
        loop, answered = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def settle(answer: Arrays | VitrineError) -> None:
            if answered.done():
                return
            if isinstance(answer, VitrineError):
                answered.set_exception(answer)
            else:
                answered.set_result(dict(answer))

        self.front.handle(inputs, lambda answer: loop.call_soon_threadsafe(settle, answer))
        return await answered

    def close(self) -> None:
        """Stop the denoising thread."""
        self.front.close()
