"""What the model.py files of the repository share: a Triton model whose answers come from a pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vitrine_orchestrator.adapters.metrics import CacheMetrics, Metrics, ModelMetrics
from vitrine_orchestrator.adapters.service import Handler, Outputs, Send, Service
from vitrine_orchestrator.cache.open_cache import Cache, CacheSettings, open_cache
from vitrine_orchestrator.cache.schemas import prepared_schemas
from vitrine_orchestrator.manifest import Manifest, read_manifest
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.pipeline.memo import NoMemo
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.shared import ENCODING
from vitrine_orchestrator.try_on.cached_answers import CachedAnswers, open_answers
from vitrine_orchestrator.try_on.context import TryOnContext

Keeps = Literal["values", "answers"]
"""What a model prepares itself, in every tier; or what those answered that it asks, in its memory."""

PUBLISH_S = 1.0  # between two looks at the cache's counters


@dataclass(frozen=True)
class Opened:
    """One version of a model as Triton starts it."""

    name: str
    folder: Path  # its version folder
    settings: Settings
    manifest: Manifest
    in_flight: int
    keeps: Keeps
    cache: Cache | None

    def context(self, stages: Stages) -> TryOnContext:
        """The surroundings of a pipeline for one request."""
        limits = Limits(self.settings.max_picture_bytes, self.settings.max_pixels)
        memo = self.cache.memo if self.cache and self.keeps == "values" else NoMemo()
        return TryOnContext(stages, self.manifest, memo, limits)

    def serve(self, pb_utils: Any, handler: Handler) -> Service:
        """Start answering; `pb_utils` is triton_python_backend_utils."""
        metrics = ModelMetrics(pb_utils, self.name)
        if self.cache and self.keeps == "values":
            handler = counting_sources(handler, metrics)
        elif self.cache:
            handler = knowing_answers(handler, self.cache, self.manifest.pipeline_digest, metrics)
        version_of = self.manifest.version_of
        speaks_text = any(tensor.name == ENCODING.name for tensor in stage(self.name).inputs)
        service = Service(
            pb_utils, handler, metrics, self.in_flight, self.close, version_of, speaks_text=speaks_text
        )
        if self.cache:
            service.every(PUBLISH_S, CacheMetrics(self.cache, metrics).publish)
        return service

    async def close(self) -> None:
        """Finish what the cache has begun."""
        if self.cache:
            await self.cache.close()


def counting_sources(handler: Handler, metrics: Metrics) -> Handler:
    """The handler of a model that prepares, and a count of where its answers came from."""

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        outputs = await handler(stages, inputs, send)
        for kind, source in read_report(outputs)["sources"].items():
            metrics.add("vitrine_sources_total", kind=kind, source=source)
        return outputs

    return answer


def knowing_answers(handler: Handler, cache: Cache, digest: str, metrics: Metrics) -> Handler:
    """The handler of a model that asks those that prepare, by way of the answers that it has kept."""

    def found(kind: str) -> None:
        metrics.add("vitrine_sources_total", kind=kind, source="memory")

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await handler(CachedAnswers(stages, cache, digest, found), inputs, send)

    return answer


def open_model(args: Mapping[str, str], keeps: Keeps) -> Opened:
    """Read what `TritonPythonModel.initialize` is given, the settings and the manifest."""
    config = json.loads(args["model_config"])
    folder = Path(args["model_repository"]) / args["model_version"]
    settings = Settings.from_environment(os.environ)
    kept = cache_settings(settings)
    return Opened(
        name=config["name"],
        folder=folder,
        settings=settings,
        manifest=read_manifest(folder),
        in_flight=settings.in_flight(int(config["parameters"]["in_flight"]["string_value"])),
        keeps=keeps,
        cache=open_cache(kept, prepared_schemas()) if keeps == "values" else open_answers(kept),
    )


def cache_settings(settings: Settings) -> CacheSettings:
    """The cache's part of the settings."""
    return CacheSettings(
        memory="on" if settings.cache_memory == "on" else "off",
        folder=settings.cache_folder,
        disk_bytes=settings.cache_disk_bytes,
        store=settings.cache_store,
        endpoint=settings.cache_endpoint,
        region=settings.cache_region,
    )
