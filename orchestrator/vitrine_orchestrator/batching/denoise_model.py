"""The denoise model without Triton: from the arrays of a request (job, poll, cancellation) to its outputs."""

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
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import MAX_STEPS, identifier, scalar

logger = logging.getLogger(__name__)

Send = Callable[[Arrays | VitrineError], None]


class DenoiseModel:
    """One instance of the denoise model."""

    def __init__(self, service: DenoiseService) -> None:
        self.service = service

    async def answer(self, arrays: Arrays) -> Arrays:
        """The outputs of one request. Cancelling this coroutine cancels the job."""
        loop, cancelled = asyncio.get_running_loop(), threading.Event()
        answered: asyncio.Future[Arrays] = loop.create_future()
        self.handle(arrays, lambda result: _call_soon(loop, _set_result, answered, result), cancelled.is_set)
        try:
            return await answered
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def handle(
        self,
        arrays: Arrays,
        send: Send,
        is_cancelled: Callable[[], bool] | None = None,
        within_s: float = float("inf"),
    ) -> None:
        """Answer one request by calling `send` once, with the outputs `latents` and `report` or an error.

        A request with `after_step` polls the progress of `job`; one with `cancel` true cancels `job`; any
        other one is a new job of `family`, which may be omitted when there is only one family. A cancellation
        with `submission` cancels only the job that was submitted with the same one.
        """
        try:
            submission = identifier(arrays, "submission")
            if "after_step" in arrays:
                after_step = int(scalar(arrays, "after_step", np.int32, -1, MAX_STEPS))
                self.service.poll(_job(arrays), after_step, lambda progress: send(_progress(progress)))
            elif "cancel" in arrays and arrays["cancel"].all():
                self.service.cancel(_job(arrays), submission)
                send({"report": _json({"job": _job(arrays), "state": "cancelled"})})
            else:
                self.service.submit(
                    self._read(arrays), lambda job: send(_result(job)), within_s, is_cancelled, submission
                )
        except VitrineError as error:
            send(error)
        except Exception:
            logger.exception("a request could not be read")
            send(VitrineError("internal error; the server's log says more"))

    def close(self) -> None:
        """Finish the jobs in flight, then stop."""
        self.service.close()

    def _read(self, arrays: Arrays) -> Request:
        programs = self.service.programs
        only = next(iter(programs)) if len(programs) == 1 else None
        family = identifier(arrays, "family") or only
        if family is None or family not in programs:
            raise BadRequest(f"family must be one of {sorted(programs)}, got {family!r}")
        return programs[family].read(arrays)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call in the loop's thread. A closed loop is ignored: nothing waits for its answers."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        logger.info("a job ended after its event loop had been closed")


def _set_result(answered: asyncio.Future[Arrays], result: Arrays | VitrineError) -> None:
    if answered.done():
        return
    if isinstance(result, VitrineError):
        answered.set_exception(result)
    else:
        answered.set_result(result)


def _job(arrays: Arrays) -> str:
    if (name := identifier(arrays, "job")) is None:
        raise BadRequest("job is missing: a watch or a cancellation names it")
    return name


def _result(job: Job) -> Arrays | VitrineError:
    if job.error:
        return job.error
    return {"latents": job.latents, "report": _json(job.report())}


def _progress(progress: Progress | VitrineError) -> Arrays | VitrineError:
    if isinstance(progress, VitrineError):
        return progress
    preview = {} if progress.clean is None else {"latents": progress.clean}
    return {**preview, "report": _json(progress.report())}


def _json(report: Mapping[str, object]) -> np.ndarray:
    return np.array([json.dumps(report).encode()], object)
