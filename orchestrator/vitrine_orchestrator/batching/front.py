"""What the denoise model answers: arrays in, arrays out, for jobs, watches and cancellations."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from vitrine.errors import BadRequest, VitrineError

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.batching.settings import DenoiseSettings
from vitrine_orchestrator.batching.watch import Progress
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.try_on.engine import Engine, load_engine
from vitrine_orchestrator.try_on.garment_cache import GarmentCache
from vitrine_orchestrator.try_on.request import JobShapes, read_name, read_request, read_step

logger = logging.getLogger(__name__)

Send = Callable[[Arrays | VitrineError], None]


class Front:
    """One instance of the model, without Triton."""

    def __init__(self, service: DenoiseService, shapes: JobShapes, schedules: Schedules) -> None:
        self.service, self._shapes, self._schedules = service, shapes, schedules

    def handle(
        self,
        arrays: Arrays,
        send: Send,
        is_cancelled: Callable[[], bool] | None = None,
        within_s: float = float("inf"),
    ) -> None:
        """Answer one request through `send`, exactly once: outputs `latents` and `report`, or an error.

        With `after_step` it is a watch of `job`; with `cancel` true it ends `job`; otherwise it is a job.
        """
        try:
            if "after_step" in arrays:
                self.service.watch(_job(arrays), read_step(arrays), lambda seen: send(_progress(seen)))
            elif "cancel" in arrays and arrays["cancel"].all():
                self.service.cancel(_job(arrays))
                send({"report": _json({"job": _job(arrays), "state": "cancelled"})})
            else:
                request = read_request(arrays, self._shapes, self._schedules)
                self.service.submit(request, lambda job: send(_result(job)), within_s, is_cancelled)
        except VitrineError as error:
            send(error)
        except Exception:
            logger.exception("a request could not be read")
            send(VitrineError("internal error; the server's log says more"))

    def close(self) -> None:
        """Finish what is in flight and stop."""
        self.service.close()


def open_front(
    folder: Path,
    manifest: Mapping[str, Any],
    settings: DenoiseSettings,
    publish: Callable[[Counters, GarmentCache], None] | None = None,
    engine: Engine | None = None,
    device_id: int = 0,
) -> Front:
    """The model of a version folder; `manifest` is its manifest.json.

    Raises Unavailable for a missing graph and UnsupportedScheduler for a scheduler that is not computed here.
    """
    spinning = settings.spinning == "on"
    engine = engine or load_engine(folder, settings.provider, device_id, settings.threads, spinning)
    shapes = JobShapes(
        context_width=manifest["context_width"],
        pooled_width=manifest["pooled_width"],
        image_tokens=manifest["image_tokens"],
        channels=manifest["latent"]["channels"],
        factor=manifest["latent"]["factor"],
        latent_size=engine.latent_size,
    )
    return Front(DenoiseService(engine, settings, publish=publish), shapes, Schedules(manifest["scheduler"]))


def _job(arrays: Arrays) -> str:
    if (name := read_name(arrays, "job")) is None:
        raise BadRequest("job is missing: a watch or a cancellation names it")
    return name


def _result(job: Job) -> Arrays | VitrineError:
    if job.error:
        return job.error
    return {"latents": job.latents, "report": _json(job.report())}


def _progress(seen: Progress | VitrineError) -> Arrays | VitrineError:
    if isinstance(seen, VitrineError):
        return seen
    preview = {} if seen.clean is None else {"latents": seen.clean}
    return {**preview, "report": _json(seen.report())}


def _json(report: Mapping[str, object]) -> np.ndarray:
    return np.array([json.dumps(report).encode()], object)
