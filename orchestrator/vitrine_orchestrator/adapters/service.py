"""Answers Triton's requests from one event loop, with hundreds of requests in flight in one process."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
from vitrine.errors import Cancelled, VitrineError

from vitrine_orchestrator.adapters.bls import BlsStages, VersionOf, host_arrays, is_from_model, newest
from vitrine_orchestrator.adapters.json_callers import encoding_for
from vitrine_orchestrator.adapters.metrics import Metrics
from vitrine_orchestrator.adapters.sending import outputs_response, read_failure, send_last
from vitrine_orchestrator.adapters.waiting import waiting_of
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.shared import ENCODING
from vitrine_orchestrator.stages.table import Stage

logger = logging.getLogger(__name__)

THREADS = 64  # calls of other models that can wait concurrently; asyncio's default is 6 on two cores
CANCEL_POLL_S = 0.1  # at most, between two looks whether callers have left
CANCEL_LOOKS = 160.0  # most of these looks a second, at all requests together
METRICS_S = 0.2  # how often metrics are published
UNBOUNDED = 2**31 - 1  # requests in flight
QUIET_S = 1.0  # without a request, after which what ended requests left in reference cycles is collected

Outputs = Mapping[str, np.ndarray]
Send = Callable[[Outputs], None]
Handler = Callable[[Stages, Outputs, Send], Awaitable[Outputs]]
"""Answers one request: the stages to call, its inputs, and a function that sends earlier responses."""


Wrap = Callable[[BlsStages, Outputs], Stages]
"""The stages that a request's handler is given, from those of Triton and the request's inputs."""


async def no_cleanup() -> None:
    """Does nothing."""


class Service:
    """Serves one model in one process. `execute` returns early; each request is answered through its sender.

    `execute` waits while `in_flight` requests are running. Triton's own queue then fills up to its limit,
    applies priorities and timeouts, and rejects further requests as busy. Where the model's row says so, the
    requests wait in this process instead, and `execute` does not.
    """

    def __init__(
        self,
        pb_utils: Any,
        row: Stage,
        handler: Handler,
        metrics: Metrics,
        in_flight: int,
        finish: Callable[[], Awaitable[None]] = no_cleanup,
        versions_of: Callable[[Outputs], VersionOf] = lambda inputs: newest,
        wrap: Wrap = lambda stages, inputs: stages,
    ) -> None:
        """`pb_utils` is triton_python_backend_utils; `finish` is awaited when the service closes.

        row: the model's; it says whether requests wait in this process, and whether the model has the input
            `encoding`, which is set for callers that use JSON only.
        versions_of: from a request's inputs, the versions of the models that its handler calls.
        wrap: see Wrap.
        """
        self._has_encoding = any(tensor.name == ENCODING.name for tensor in row.inputs)
        self.pb_utils, self.handler, self.metrics, self.finish = pb_utils, handler, metrics, finish
        self.versions_of, self.wrap = versions_of, wrap
        self._waiting = waiting_of(row, in_flight) if in_flight < UNBOUNDED else None
        self._free = threading.BoundedSemaphore(UNBOUNDED if self._waiting else in_flight)
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="stage-call"))
        self._work: set[asyncio.Future[Outputs]] = set()  # running handlers
        self._senders: dict[asyncio.Future[Outputs], Any] = {}  # of those whose callers may leave
        self._watched = asyncio.Event()  # set while there are some
        self._uncollected = False  # whether a request began since the last collection
        self._last_s = 0.0  # when a request began or ended last
        self._thread = threading.Thread(target=self._loop.run_forever, name="pipelines", daemon=True)
        self._thread.start()
        self.every(METRICS_S, metrics.publish, lambda: metrics.pending)
        self.every(QUIET_S / 2, self._collect, self._is_quiet)
        asyncio.run_coroutine_threadsafe(self._cancel_abandoned(), self._loop)

    def execute(self, requests: Sequence[Any]) -> None:
        """Accept the requests; wait until fewer than `in_flight` are running before each."""
        for request in requests:
            self._free.acquire()
            self._uncollected, self._last_s = True, time.monotonic()
            self.metrics.add("vitrine_in_flight")
            asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)

    def alongside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the loop until the service closes."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def every(
        self, seconds: float, chore: Callable[[], None], needed: Callable[[], bool] = lambda: True
    ) -> None:
        """Run `chore` in a thread every `seconds` if it is needed then; its exceptions are logged."""

        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    if needed():
                        await asyncio.to_thread(chore)
                except Exception:
                    logger.exception("a background task failed")

        asyncio.run_coroutine_threadsafe(repeat(), self._loop)

    def close(self) -> None:
        """Stop the loop; Triton calls this when no request is in flight."""
        asyncio.run_coroutine_threadsafe(self._finished(), self._loop).result()
        self._loop.call_soon_threadsafe(self._cancel_all)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _is_quiet(self) -> bool:
        """Whether it is time to collect garbage, once after the last of some requests."""
        return self._uncollected and not self._work and time.monotonic() - self._last_s > QUIET_S

    def _collect(self) -> None:
        """Collect garbage.

        Triton unloads a model when no response sender is left, and a sender in a reference cycle stays until
        Python's next collection, which an idle process never comes to.
        """
        self._uncollected = False
        gc.collect()

    async def _finished(self) -> None:
        await self.finish()
        await asyncio.to_thread(self.metrics.publish)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    async def _answer(self, request: Any) -> None:
        """Run one request from its inputs to its last response; never raises."""
        start, outcome = time.perf_counter(), "done"
        try:
            sender = request.get_response_sender()
            failure = send_last(self.pb_utils, sender, await self._outputs(request, sender))
            outcome = failure.word if failure else outcome
        except Exception:
            logger.exception("a response could not be sent")
            outcome = VitrineError.word
        finally:
            self._free.release()
            self._last_s = time.monotonic()
            self.metrics.add("vitrine_in_flight", -1)
            self.metrics.add("vitrine_requests_total", outcome=outcome)
            self.metrics.add("vitrine_request_seconds_total", time.perf_counter() - start)

    async def _outputs(self, request: Any, sender: Any) -> Outputs | VitrineError:
        """The handler's outputs, or the error that it raised."""
        try:
            return await self._run_handler(request, sender)
        except VitrineError as error:
            return error.with_traceback(None)  # the frames of a traceback keep the request's arrays alive
        except BaseException as error:  # a panic of a Rust library is no Exception
            logger.exception("a request failed with an internal error")
            return read_failure(error)

    async def _handled(self, request: Any, sender: Any) -> Outputs:
        """The handler's outputs, once the request has a place."""
        async with self._waiting.place(request.timeout() / 1e6) if self._waiting else nullcontext():
            inputs = host_arrays(request.inputs())
            called = self.wrap(BlsStages(self.pb_utils, self.versions_of(inputs)), inputs)
            if self._has_encoding:
                inputs = encoding_for(request) | inputs
            return await self.handler(
                Counted(called, self.metrics),
                inputs,
                lambda outputs: sender.send(outputs_response(self.pb_utils, outputs)),
            )

    async def _run_handler(self, request: Any, sender: Any) -> Outputs:
        """The handler's outputs; Cancelled soon after the caller has disconnected."""
        can_leave = not is_from_model(request)
        work = asyncio.ensure_future(self._handled(request, sender))
        self._work.add(work)
        if can_leave:
            self._senders[work] = sender
            self._watched.set()
        try:
            await asyncio.wait([work])
            if work.cancelled():
                raise Cancelled("the caller cancelled the request")
            return work.result()
        finally:
            self._work.discard(work)
            self._senders.pop(work, None)
            del work  # break the cycle error → traceback → frame → work, or the inputs live until the next gc

    async def _cancel_abandoned(self) -> None:
        """Cancel requests whose callers have disconnected; one loop is cheaper than one for each.

        A look is a message to Triton and its answer, so nobody looks in vain: not at calls by other models,
        which cannot be cancelled, and not in the many processes of a server that idle.
        """
        while True:
            if not self._senders:
                self._watched.clear()
                await self._watched.wait()
            await asyncio.sleep(min(CANCEL_POLL_S, max(len(self._senders), 2) / CANCEL_LOOKS))
            self._cancel_left()

    def _cancel_left(self) -> None:
        """Look once. A method of its own: what its variables hold is let go of when it returns.

        Triton unloads a model when the last response sender is gone.
        """
        for work, sender in list(self._senders.items()):
            if _is_cancelled(sender):
                del self._senders[work]
                work.cancel()


def _is_cancelled(sender: Any) -> bool:
    try:
        return sender.is_cancelled()
    except Exception:
        logger.exception("the cancellation of a request could not be checked")
        return False


class Counted:
    """Stages that count their calls and seconds."""

    def __init__(self, stages: Stages, metrics: Metrics) -> None:
        self.stages, self.metrics = stages, metrics

    async def __call__(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the stage."""
        start, outcome = time.perf_counter(), "done"
        try:
            return await self.stages(name, inputs)
        except VitrineError as error:
            outcome = error.word
            raise
        finally:
            self.metrics.add("vitrine_stage_calls_total", stage=name, outcome=outcome)
            self.metrics.add("vitrine_stage_seconds_total", time.perf_counter() - start, stage=name)
