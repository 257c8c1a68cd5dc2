"""The thread that owns the loop: takes jobs from any thread, answers from another."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from vitrine.errors import BadRequest, Busy, NotFound, StageFailed, Unavailable

from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.group_scheduler import Rotation
from vitrine_orchestrator.batching.job import Job, Request
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.batching.progress_polls import Answer, Watches
from vitrine_orchestrator.batching.settings import DenoiseSettings

logger = logging.getLogger(__name__)

CHORES_S = 0.1  # between two rounds of asking whether callers went away
IDLE_S = 1.0  # the longest sleep without jobs
WATCH_PATIENCE_S = 10.0


class DenoiseService:
    """Runs the jobs of some families. Each accepted job is answered once, from the answering thread."""

    def __init__(
        self,
        programs: Mapping[str, Program],
        settings: DenoiseSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        watch_patience_s: float = WATCH_PATIENCE_S,
    ) -> None:
        """`programs` by family; one thread of the service calls them."""
        self.programs, self.settings, self._clock = programs, settings or DenoiseSettings(), clock
        self.counters = Counters()
        self._rotation = Rotation(
            programs,
            lambda program: Batcher(program, self.counters, clock, self.settings.call_rows),
            self.settings.max_rows,
            self.settings.max_running,
        )
        self.watches = Watches(clock, watch_patience_s)
        self._live: dict[str, tuple[Job, Callable[[Job], None], Callable[[], bool] | None]] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._chores_at = clock()
        self._answering = ThreadPoolExecutor(1, thread_name_prefix="denoise-answers")
        self._thread = threading.Thread(target=self._loop, name="denoise-loop", daemon=True)
        self._thread.start()

    def submit(
        self,
        request: Request,
        answer: Callable[[Job], None],
        within_s: float = float("inf"),
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Job:
        """Queue a job; `answer` gets it when it is over, with its latents or its error.

        `is_cancelled` is asked now and then. Raises Busy, BadRequest (the name is in use) or Unavailable.
        """
        now = self._clock()
        job = Job(request, request.job or uuid.uuid4().hex, submitted=now, deadline=now + within_s)
        with self._wake:
            if self._closing:
                raise Unavailable("denoise is shutting down")
            if len(self._live) >= self.settings.in_flight:
                self.counters.jobs[Busy.word] += 1
                raise Busy(f"{len(self._live)} jobs are in flight, the limit is {self.settings.in_flight}")
            if job.name in self._live:
                raise BadRequest(f"job must be a name that no running job has, got {job.name!r}")
            self._live[job.name] = (job, answer, is_cancelled)
            self.watches.began(job)
            self._rotation.waiting.append(job)
            self._wake.notify()
        return job

    def watch(self, job: str, after_step: int, answer: Answer) -> None:
        """Answer, from the answering thread, once the job has passed `after_step` or ended; see Watches."""
        self.watches.watch(job, after_step, lambda result: self._later(answer, result))
        with self._wake:
            self._wake.notify()

    def cancel(self, name: str) -> None:
        """Let the job leave before its next step; NotFound when none of that name is in flight."""
        with self._wake:
            if name not in self._live:
                raise NotFound(f"no job in flight is named {name!r}")
            self._live[name][0].cancelled = True

    def close(self, within_s: float = 30.0) -> None:
        """Take no more jobs, let those in flight finish within that time, then stop the threads."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(within_s)
        with self._wake:
            for job, _, _ in self._live.values():
                job.cancelled = True
        self._thread.join()
        self._answering.shutdown()

    def _loop(self) -> None:
        while self._wait():
            try:
                left = self._rotation.step(self._clock())
            except Exception:
                logger.exception("the batching loop failed")
                left = self._rotation.clear()
                for job in left:
                    job.error = job.error or StageFailed("denoise", "the batching loop failed")
            self._settle(left)
            self.watches.answer_due()
            self._chores()

    def _wait(self) -> bool:
        """Until there is work or a chore; False when the service is closed and nothing is left to do."""
        with self._wake:
            if not self._live and not self._closing:
                self._wake.wait(max(min(self.watches.next_due() - self._clock(), IDLE_S), 0))
            return bool(self._live) or not self._closing

    def _settle(self, left: list[Job]) -> None:
        """Book the jobs that left and have them answered."""
        for job in left:
            job.ended = self._clock()
            self.counters.jobs[job.error.word if job.error else "done"] += 1
            if job.started is not None:
                self.counters.queued += 1
                self.counters.queue_s += job.timings["queue"]
        self.watches.ended(left)
        self.counters.running = self._rotation.running
        self.counters.waiting = len(self._rotation.waiting)
        for job in left:
            with self._wake:
                _, answer, _ = self._live.pop(job.name)
            self._later(answer, job)

    def _later(self, answer: Callable[..., None], result: object) -> None:
        self._answering.submit(_safely, answer, result)

    def _chores(self) -> None:
        """Have the answering thread ask which callers went away, at most every CHORES_S."""
        if self._clock() >= self._chores_at:
            self._chores_at = self._clock() + CHORES_S
            self._answering.submit(_safely, self._do_chores)

    def _do_chores(self) -> None:
        with self._wake:
            asked = [(job, probe) for job, _, probe in self._live.values() if probe and not job.cancelled]
        for job, probe in asked:
            if probe():
                job.cancelled = True


def _safely(work: Callable[..., None], *arguments: object) -> None:
    """Run what others gave us; its failure is logged and ends there."""
    try:
        work(*arguments)
    except Exception:
        logger.exception("answering failed")
