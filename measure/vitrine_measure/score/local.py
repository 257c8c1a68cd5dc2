"""The stages and pipelines of the service in this process, on an exported repository, without Triton."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from vitrine_orchestrator.adapters.denoise import open_front
from vitrine_orchestrator.manifest import read_manifest, versions
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.calls import OnnxStages
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.facts import FAMILY
from vitrine_orchestrator.try_on.pipeline import try_on
from vitrine_orchestrator.try_on.prepare_garment import prepare_garment
from vitrine_orchestrator.try_on.prepare_person import prepare_person
from vitrine_orchestrator.try_on.prepare_text import prepare_text, read_tokenizers
from vitrine_world import dolls

from vitrine_measure.score.run import Options, Picture, TryOn

Arrays = Mapping[str, np.ndarray]


class LocalStages:
    """Calls the stages and Python models of a repository by name, as `Stages`. Close it after use.

    `threads` is the number of threads of each network, 0 for one per core.
    """

    def __init__(self, repository: Path, threads: int = 0) -> None:
        newest = str(max(versions(repository, "try_on"), default=1))
        manifest = read_manifest(repository / "try_on" / newest, FAMILY)
        texts, denoise = (
            repository / name / str(manifest.version_of(name)) for name in ("prepare_text", "denoise")
        )
        self.networks = OnnxStages(repository, threads, manifest.version_of)
        self.context = TryOnContext(self, manifest)
        self.tokenizers = read_tokenizers(texts, self.context.facts)
        settings = Settings(denoise_threads=threads)
        self.front = open_front(denoise, {FAMILY: read_manifest(denoise, FAMILY)}, settings)

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs of a network stage, of a `prepare_*` model or of `denoise`."""
        match name:
            case "prepare_person":
                return await prepare_person(self.context, inputs)
            case "prepare_garment":
                return await prepare_garment(self.context, inputs)
            case "prepare_text":
                return await prepare_text(self.context, self.tokenizers, inputs)
            case "denoise":
                return dict(await self.front.answer(inputs))
        return await self.networks(name, inputs)

    def close(self) -> None:
        """Stop the denoising thread."""
        self.front.close()


def local_try_on(stages: LocalStages, options: Options) -> TryOn:
    """Return a function that runs try-ons with the pipeline in this process."""

    async def attempt(person: Picture, made: dolls.Sample, garment: Picture) -> tuple[Picture, np.ndarray]:
        inputs = {
            "person_raw": person,
            "garment_raw": garment,
            "category": np.array([made.category.encode()], object),
            "seed": np.array([options.seed], np.uint64),
        }
        if options.steps is not None:
            inputs["steps"] = np.array([options.steps], np.int32)
        if not options.brief:
            inputs["description"] = np.array([made.garment.description.encode()], object)
        if options.guidance is not None:
            inputs["guidance"] = np.array([options.guidance], np.float32)
        outputs = await try_on(stages.context, inputs)
        return _picture(outputs["image"][0]), _picture(outputs["mask"][0]) > 0

    return attempt


def _picture(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))
