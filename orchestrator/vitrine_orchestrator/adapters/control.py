"""What model.py of `cache_control` starts: it works on the caches themselves, and needs no checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.adapters.metrics import CacheMetrics, ModelMetrics
from vitrine_orchestrator.adapters.model import PUBLISH_S, cache_settings
from vitrine_orchestrator.adapters.service import Outputs, Send, Service
from vitrine_orchestrator.cache.control import control
from vitrine_orchestrator.cache.open_cache import open_cache
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.cache_rows import OWNER_KINDS

DISK_S = 30.0  # between two scans of the folder for the metrics port


def serve_control(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `TritonPythonModel.initialize` is given.

    It has the tiers that the others have and keeps nothing in them: an invalidation here reaches what the
    others keep in memory through the shared folder.
    """
    config = json.loads(args["model_config"])
    settings = Settings.from_environment(os.environ)
    cache = open_cache(cache_settings(settings))
    metrics = ModelMetrics(pb_utils, config["name"])

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await control(cache, inputs, OWNER_KINDS)

    in_flight = settings.in_flight(int(config["parameters"]["in_flight"]["string_value"]))
    service = Service(pb_utils, answer, metrics, in_flight, cache.close)
    told = CacheMetrics(cache, metrics)
    service.every(PUBLISH_S, told.publish)
    service.every(DISK_S, told.publish_disk)
    return service
