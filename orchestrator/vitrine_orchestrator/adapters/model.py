"""Opens and serves the Triton models that run a pipeline; the model.py files call it."""

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
from vitrine_orchestrator.try_on.cache_rows import LIMITS, MODELS
from vitrine_orchestrator.try_on.cached_answers import CachedAnswers, open_answers
from vitrine_orchestrator.try_on.context import TryOnContext

Caches = Literal["values", "answers"]
"""values: a model's own results, in every tier. answers: responses of the models it calls, in memory only."""

PUBLISH_S = 1.0  # how often the cache's counters are published


@dataclass(frozen=True)
class OpenedModel:
    """One version of a model, opened from what Triton passes to `initialize`."""

    name: str
    folder: Path  # its version folder
    settings: Settings
    manifest: Manifest
    in_flight: int
    caches: Caches
    cache: Cache | None

    def context(self, stages: Stages) -> TryOnContext:
        """The request context of a pipeline."""
        limits = Limits(self.settings.max_picture_bytes, self.settings.max_pixels)
        memo = self.cache.memo if self.cache and self.caches == "values" else NoMemo()
        return TryOnContext(stages, self.manifest, memo, limits)

    def serve(self, pb_utils: Any, handler: Handler) -> Service:
        """Start answering; `pb_utils` is triton_python_backend_utils."""
        metrics = ModelMetrics(pb_utils, self.name)
        if self.cache and self.caches == "values":
            handler = with_source_counts(handler, metrics)
        elif self.cache:
            handler = with_cached_answers(handler, self.cache, self.manifest.pipeline_digest, metrics)
        version_of = self.manifest.version_of
        has_encoding = any(tensor.name == ENCODING.name for tensor in stage(self.name).inputs)
        service = Service(
            pb_utils, handler, metrics, self.in_flight, self.close, version_of, has_encoding=has_encoding
        )
        if self.cache:
            service.every(PUBLISH_S, CacheMetrics(self.cache, metrics).publish)
        return service

    async def close(self) -> None:
        """Close the cache; writes that have begun are finished first."""
        if self.cache:
            await self.cache.close()


def with_source_counts(handler: Handler, metrics: Metrics) -> Handler:
    """The handler of a prepare model, which also counts where each result came from (its `sources`)."""

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        outputs = await handler(stages, inputs, send)
        for kind, source in read_report(outputs)["sources"].items():
            metrics.add("vitrine_sources_total", kind=kind, source=source)
        return outputs

    return answer


def with_cached_answers(handler: Handler, cache: Cache, digest: str, metrics: Metrics) -> Handler:
    """The handler of a model that calls prepare models; it returns their cached answers where it can."""

    def found(kind: str) -> None:
        metrics.add("vitrine_sources_total", kind=kind, source="memory")

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await handler(CachedAnswers(stages, cache, digest, found), inputs, send)

    return answer


def open_model(args: Mapping[str, str], caches: Caches) -> OpenedModel:
    """Open a model from the arguments of `TritonPythonModel.initialize`, the settings and the manifest."""
    config = json.loads(args["model_config"])
    folder = Path(args["model_repository"]) / args["model_version"]
    settings = Settings.from_environment(os.environ)
    return OpenedModel(
        name=config["name"],
        folder=folder,
        settings=settings,
        manifest=read_manifest(folder),
        in_flight=settings.in_flight(int(config["parameters"]["in_flight"]["string_value"])),
        caches=caches,
        cache=_open(cache_settings(settings), caches),
    )


def _open(settings: CacheSettings, caches: Caches) -> Cache | None:
    return open_cache(settings, prepared_schemas(MODELS)) if caches == "values" else open_answers(settings)


def cache_settings(settings: Settings) -> CacheSettings:
    """The settings of the cache, with the try-on's memory limits."""
    return CacheSettings(
        memory="on" if settings.cache_memory == "on" else "off",
        folder=settings.cache_folder,
        disk_bytes=settings.cache_disk_bytes,
        store=settings.cache_store,
        endpoint=settings.cache_endpoint,
        region=settings.cache_region,
        limits=LIMITS,
    )
