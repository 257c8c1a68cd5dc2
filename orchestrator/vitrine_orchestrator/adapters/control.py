"""Starts the model `cache_control`, which works on the caches of all models and needs no checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.adapters.metrics import CacheMetrics, ModelMetrics
from vitrine_orchestrator.adapters.model import PUBLISH_S, cache_settings
from vitrine_orchestrator.adapters.service import Outputs, Send, Service
from vitrine_orchestrator.adapters.waiting import places_of
from vitrine_orchestrator.cache.control import control
from vitrine_orchestrator.cache.open_cache import open_cache
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.cache_rows import OWNER_KINDS

DISK_S = 30.0  # how often the folder is scanned for its size metrics


def serve_control(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `TritonPythonModel.initialize` is given.

    It opens the same tiers as the other models and puts nothing into them. Its invalidations reach the
    memories of the other processes through the shared folder.
    """
    config = json.loads(args["model_config"])
    settings = Settings.from_environment(os.environ)
    cache = open_cache(cache_settings(settings))
    metrics = ModelMetrics(pb_utils, config["name"])

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await control(cache, inputs, OWNER_KINDS)

    row = stage(config["name"])
    service = Service(pb_utils, row, answer, metrics, places_of(config, settings), cache.close)
    cache_metrics = CacheMetrics(cache, metrics)
    service.every(PUBLISH_S, cache_metrics.publish)
    service.every(DISK_S, cache_metrics.publish_disk)
    return service
