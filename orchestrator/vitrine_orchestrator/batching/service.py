"""The service that runs jobs: any thread may submit them; the batching loop has a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from vitrine.errors import BadRequest, Busy, NotFound, StageFailed, Unavailable

from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.group_scheduler import GroupScheduler
from vitrine_orchestrator.batching.job import Job, Request
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.batching.progress_polls import OnProgress, ProgressPolls
from vitrine_orchestrator.batching.settings import DenoiseSettings

logger = logging.getLogger(__name__)

CANCEL_CHECK_S = 0.1  # seconds between two checks whether callers have cancelled
IDLE_S = 1.0  # the longest sleep without jobs
POLL_TIMEOUT_S = 10.0  # after this long, a poll is answered with the progress so far


class DenoiseService:
    """Runs the jobs of some families. Each accepted job is answered once, in the answering thread."""

    def __init__(
        self,
        programs: Mapping[str, Program],
        settings: DenoiseSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        poll_timeout_s: float = POLL_TIMEOUT_S,
    ) -> None:
        """`programs` by family. Only the loop's thread calls them, except for `read`."""
        self.programs, self.settings, self._clock = programs, settings or DenoiseSettings(), clock
        self.counters = Counters()
        self._scheduler = GroupScheduler(
            programs,
            lambda program: Batcher(program, self.counters, clock, self.settings.call_rows),
            self.settings.max_rows,
            self.settings.max_running,
        )
        self.polls = ProgressPolls(clock, poll_timeout_s)
        self._live: dict[str, tuple[Job, Callable[[Job], None], Callable[[], bool] | None]] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._next_check = clock()
        self._answering = ThreadPoolExecutor(1, thread_name_prefix="denoise-answers")
        self._thread = threading.Thread(target=self._loop, name="denoise-loop", daemon=True)
        self._thread.start()

    def submit(
        self,
        request: Request,
        answer: Callable[[Job], None],
        within_s: float = float("inf"),
        is_cancelled: Callable[[], bool] | None = None,
        submission: str | None = None,
    ) -> Job:
        """Queue a job; `answer` is called with it when it is done or failed.

        submission: tells this job from another caller's of the same name; see `cancel`.

        `is_cancelled` is called every CANCEL_CHECK_S. Raises Busy when too many jobs are in flight,
        BadRequest when the job's name is in use, and Unavailable after `close`.
        """
        now = self._clock()
        job = Job(request, request.job or uuid.uuid4().hex, now, now + within_s, submission)
        with self._wake:
            if self._closing:
                raise Unavailable("denoise is shutting down")
            if len(self._live) >= self.settings.in_flight:
                self.counters.jobs[Busy.word] += 1
                raise Busy(f"{len(self._live)} jobs are in flight, the limit is {self.settings.in_flight}")
            if job.name in self._live:
                raise BadRequest(f"job must be a name that no running job has, got {job.name!r}")
            self._live[job.name] = (job, answer, is_cancelled)
            self.polls.began(job)
            self._scheduler.waiting.append(job)
            self._wake.notify()
        return job

    def poll(self, job: str, after_step: int, answer: OnProgress) -> None:
        """Answer, in the answering thread, when the job has passed `after_step` or ended."""
        self.polls.poll(job, after_step, lambda result: self._queue_answer(answer, result))
        with self._wake:
            self._wake.notify()

    def cancel(self, name: str, submission: str | None = None) -> None:
        """Cancel the job before its next step; NotFound when no job of that name is in flight.

        With a `submission`, only a job that was submitted with it.
        """
        with self._wake:
            job = self._live[name][0] if name in self._live else None
            if job is None or submission not in (None, job.submission):
                raise NotFound(f"no job in flight is named {name!r}")
            job.cancelled = True

    def close(self, within_s: float = 30.0) -> None:
        """Accept no more jobs; cancel those in flight that do not end within `within_s`; stop the threads."""
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
                left = self._scheduler.step(self._clock())
            except Exception:
                logger.exception("the batching loop failed")
                left = self._scheduler.clear()
                for job in left:
                    job.error = job.error or StageFailed("denoise", "the batching loop failed")
            self._finish(left)
            self.polls.answer_due()
            self._check_callers()

    def _wait(self) -> bool:
        """Wait for jobs or polls; False when the service is closed and no job is left."""
        with self._wake:
            if not self._live and not self._closing:
                self._wake.wait(max(min(self.polls.next_due() - self._clock(), IDLE_S), 0))
            return bool(self._live) or not self._closing

    def _finish(self, left: list[Job]) -> None:
        """Count the jobs that left and queue their answers."""
        for job in left:
            job.ended = self._clock()
            self.counters.jobs[job.error.word if job.error else "done"] += 1
            if job.started is not None:
                self.counters.queued += 1
                self.counters.queue_s += job.timings["queue"]
        self.polls.ended(left)
        self.counters.running = self._scheduler.running
        self.counters.waiting = len(self._scheduler.waiting)
        for job in left:
            with self._wake:
                _, answer, _ = self._live.pop(job.name)
            self._queue_answer(answer, job)

    def _queue_answer(self, answer: Callable[..., None], result: object) -> None:
        self._answering.submit(_safely, answer, result)

    def _check_callers(self) -> None:
        """Queue a check of the callers in the answering thread, at most every CANCEL_CHECK_S."""
        if self._clock() >= self._next_check:
            self._next_check = self._clock() + CANCEL_CHECK_S
            self._answering.submit(_safely, self._probe_callers)

    def _probe_callers(self) -> None:
        with self._wake:
            probes = [(job, probe) for job, _, probe in self._live.values() if probe and not job.cancelled]
        for job, probe in probes:
            if probe():
                job.cancelled = True


def _safely(work: Callable[..., None], *arguments: object) -> None:
    """Run a caller's function; an error is logged and not raised."""
    try:
        work(*arguments)
    except Exception:
        logger.exception("the result of a job could not be delivered")
