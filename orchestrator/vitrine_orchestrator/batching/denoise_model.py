"""What the denoise model answers: arrays in, arrays out, for jobs, watches and cancellations."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping

import numpy as np
from vitrine.errors import BadRequest, VitrineError

from vitrine_orchestrator.batching.job import Job, Request
from vitrine_orchestrator.batching.progress_polls import Progress
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.wire.fields import MAX_STEPS, identifier, scalar

logger = logging.getLogger(__name__)

Send = Callable[[Arrays | VitrineError], None]


class Front:
    """One instance of the model, without Triton."""

    def __init__(self, service: DenoiseService) -> None:
        self.service = service

    async def answer(self, arrays: Arrays) -> Arrays:
        """The outputs of one request, for an event loop; when it is cancelled, the job leaves."""
        loop, gone = asyncio.get_running_loop(), threading.Event()
        answered: asyncio.Future[Arrays] = loop.create_future()
        self.handle(arrays, lambda found: _call_soon(loop, _settle, answered, found), gone.is_set)
        try:
            return await answered
        except asyncio.CancelledError:
            gone.set()
            raise

    def handle(
        self,
        arrays: Arrays,
        send: Send,
        is_cancelled: Callable[[], bool] | None = None,
        within_s: float = float("inf"),
    ) -> None:
        """Answer one request through `send`, exactly once: outputs `latents` and `report`, or an error.

        With `after_step` it is a watch of `job`; with `cancel` true it ends `job`; otherwise it is a job of
        `family`, which needs no name where there is one family.
        """
        try:
            if "after_step" in arrays:
                after_step = int(scalar(arrays, "after_step", np.int32, -1, MAX_STEPS))
                self.service.watch(_job(arrays), after_step, lambda seen: send(_progress(seen)))
            elif "cancel" in arrays and arrays["cancel"].all():
                self.service.cancel(_job(arrays))
                send({"report": _json({"job": _job(arrays), "state": "cancelled"})})
            else:
                request = self._read(arrays)
                self.service.submit(request, lambda job: send(_result(job)), within_s, is_cancelled)
        except VitrineError as error:
            send(error)
        except Exception:
            logger.exception("a request could not be read")
            send(VitrineError("internal error; the server's log says more"))

    def close(self) -> None:
        """Finish what is in flight and stop."""
        self.service.close()

    def _read(self, arrays: Arrays) -> Request:
        programs = self.service.programs
        only = next(iter(programs)) if len(programs) == 1 else None
        family = identifier(arrays, "family") or only
        if family is None or family not in programs:
            raise BadRequest(f"family must be one of {sorted(programs)}, got {family!r}")
        return programs[family].read(arrays)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call in the loop's thread; nothing waits for the answer of a loop that has been closed."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        logger.info("a job was answered after its event loop had been closed")


def _settle(answered: asyncio.Future[Arrays], found: Arrays | VitrineError) -> None:
    if answered.done():
        return
    if isinstance(found, VitrineError):
        answered.set_exception(found)
    else:
        answered.set_result(found)


def _job(arrays: Arrays) -> str:
    if (name := identifier(arrays, "job")) is None:
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
