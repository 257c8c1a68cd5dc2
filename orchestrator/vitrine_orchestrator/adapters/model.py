"""Opens and serves the Triton models that run a pipeline; the model.py files call it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine.errors import Unavailable

from vitrine_orchestrator.adapters.bls import BlsStages
from vitrine_orchestrator.adapters.metrics import CacheMetrics, Metrics, ModelMetrics
from vitrine_orchestrator.adapters.pipelines import CACHE_ROWS, CONTEXTS, PIPELINES, Answer, Caches
from vitrine_orchestrator.adapters.service import Handler, Outputs, Send, Service, Wrap
from vitrine_orchestrator.adapters.waiting import places_of
from vitrine_orchestrator.cache.open_cache import Cache, CacheSettings, open_cache
from vitrine_orchestrator.cache.schemas import prepared_schemas
from vitrine_orchestrator.manifest import Manifest, read_manifests
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.pipeline.memo import NoMemo
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.residency.address import socket_name
from vitrine_orchestrator.residency.amounts import OFF
from vitrine_orchestrator.residency.leases import LeasedStages, OwnerLink, Route
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.cached_answers import CachedAnswers, open_answers
from vitrine_orchestrator.wire.fields import word

PUBLISH_S = 1.0  # how often the cache's counters are published


@dataclass(frozen=True)
class OpenedModel:
    """One version of a model, opened from what Triton passes to `initialize`."""

    name: str
    settings: Settings
    manifests: Mapping[str, Manifest]  # of the families that it serves, the default one first
    answers: Mapping[str, Answer]  # the pipeline of each family
    in_flight: int
    caches: Caches
    cache: Cache | None

    def family(self, inputs: Outputs) -> str:
        """The family that serves a request: the one that its input `model` names, or the default one."""
        families = tuple(self.manifests)
        return word(inputs, "model", families, families[0])

    def context(self, family: str, stages: Stages) -> Any:
        """The request context of a family's pipeline."""
        limits = Limits(self.settings.max_picture_bytes, self.settings.max_pixels)
        memo = self.cache.memo if self.cache and self.caches == "values" else NoMemo()
        return CONTEXTS[family](stages, self.manifests[family], memo, limits, self.settings.lora_folder)

    def serve(self, pb_utils: Any) -> Service:
        """Start answering; `pb_utils` is triton_python_backend_utils."""
        metrics = ModelMetrics(pb_utils, self.name)
        link = OwnerLink(socket_name(os.getppid())) if self.settings.memory != OFF else None
        handlers = {family: self._handler(family, metrics) for family in self.manifests}

        async def handler(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
            return await handlers[self.family(inputs)](stages, inputs, send)

        service = Service(
            pb_utils,
            stage(self.name),
            handler,
            metrics,
            self.in_flight,
            self.close,
            lambda inputs: self.manifests[self.family(inputs)].version_of,
            wrap=self._leases(link, metrics) if link else lambda stages, inputs: stages,
        )
        if link:
            service.alongside(link.run())
        if self.cache:
            service.every(PUBLISH_S, CacheMetrics(self.cache, metrics).publish)
        return service

    def _leases(self, link: OwnerLink, metrics: Metrics) -> Wrap:
        """Stages that hold leases: see residency/leases.py."""
        routes = {family: Route() for family in self.manifests}

        def waited(stage: str, seconds: float) -> None:
            metrics.add("vitrine_stage_wait_seconds_total", seconds, stage=stage)

        def wrap(stages: BlsStages, inputs: Outputs) -> Stages:
            family = self.family(inputs)
            return LeasedStages(stages.call, link, family, routes[family], waited)

        return wrap

    def _handler(self, family: str, metrics: Metrics) -> Handler:
        """The handler of one family's requests."""

        async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
            return await self.answers[family](self.context(family, stages), inputs, send)

        if self.cache and self.caches == "values":
            return with_source_counts(answer, metrics)
        if self.cache:
            digest = self.manifests[family].pipeline_digest
            return with_cached_answers(answer, self.cache, digest, metrics)
        return answer

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


def serve_pipeline(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `TritonPythonModel.initialize` is given."""
    return open_model(args).serve(pb_utils)


def open_model(args: Mapping[str, str]) -> OpenedModel:
    """Open a model from the arguments of `TritonPythonModel.initialize`, the settings and the manifest."""
    config = json.loads(args["model_config"])
    folder = Path(args["model_repository"]) / args["model_version"]
    settings = Settings.from_environment(os.environ)
    pipelines = PIPELINES[config["name"]]
    found = read_manifests(folder)
    manifests = {family: found[family] for family in pipelines.families if family in found}
    if not manifests:
        raise Unavailable(f"{folder}: a release must be of {sorted(pipelines.families)}, got {sorted(found)}")
    return OpenedModel(
        name=config["name"],
        settings=settings,
        manifests=manifests,
        answers={family: pipelines.families[family](folder, manifests[family]) for family in manifests},
        in_flight=places_of(config, settings),
        caches=pipelines.caches,
        cache=_open(cache_settings(settings), pipelines.caches),
    )


def _open(settings: CacheSettings, caches: Caches) -> Cache | None:
    if caches == "answers":
        return open_answers(settings)
    return open_cache(settings, prepared_schemas(CACHE_ROWS))


def cache_settings(settings: Settings) -> CacheSettings:
    """The settings of the cache, with the memory limits of all families' categories."""
    return CacheSettings(
        memory="on" if settings.cache_memory == "on" else "off",
        folder=settings.cache_folder,
        disk_bytes=settings.cache_disk_bytes,
        store=settings.cache_store,
        endpoint=settings.cache_endpoint,
        region=settings.cache_region,
        limits={category: row.limit for category, row in CACHE_ROWS.items()},
    )
