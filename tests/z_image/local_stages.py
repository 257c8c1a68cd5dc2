"""The stages of an exported repository in this process, without a server."""

from __future__ import annotations

import asyncio
import contextlib

from vitrine_orchestrator.adapters.denoise import open_front
from vitrine_orchestrator.adapters.pipelines import CONTEXTS, PIPELINES
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.calls import OnnxStages


class LocalStages:
    """One family's networks, its pipeline of prompts, and the batcher with its program."""

    def __init__(self, repository, family, loras=None):
        folder = repository / "prepare_prompt" / "1"
        manifest = read_manifest(folder, family)
        self.networks = OnnxStages(repository, threads=1)
        self.context = CONTEXTS[family](self, manifest, lora_folder=loras)
        self.prepare_prompt = PIPELINES["prepare_prompt"].families[family](folder, manifest)
        settings = Settings(denoise_threads=1, lora_folder=loras)
        self.front = open_front(repository / "denoise" / "1", {family: manifest}, settings)
        self._barrier: asyncio.Barrier | None = None

    @contextlib.contextmanager
    def arriving_together(self, jobs):
        """Inside the block, jobs wait for each other before `denoise`, so that they are there at once."""
        self._barrier = asyncio.Barrier(jobs)
        try:
            yield
        finally:
            self._barrier = None

    async def __call__(self, name, inputs):
        if name == "prepare_prompt":
            return await self.prepare_prompt(self.context, inputs, lambda outputs: None)
        if name == "denoise":
            if self._barrier:
                await self._barrier.wait()
            return dict(await self.front.answer(inputs))
        return await self.networks(name, inputs)
