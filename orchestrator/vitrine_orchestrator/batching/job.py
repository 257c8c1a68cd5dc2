"""One denoising job: its request, its state and its report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from vitrine.errors import Busy, Cancelled, VitrineError

from vitrine_orchestrator.sampling.noise import initial_noise, step_noise
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, NEXT_NOISE, Schedule

State = Literal["waiting", "running", "done", "failed"]


class Request(Protocol):
    """What the batcher reads of a request of any family. A request is immutable."""

    @property
    def family(self) -> str:
        """The family, which names the program that computes the job."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the latents, without a row axis."""

    @property
    def seed(self) -> int:
        """The seed of the noise, 0 … 2⁶⁴ − 1."""

    @property
    def scheduler(self) -> str:
        """The caller's name of the scheduler, for the report."""

    @property
    def schedule(self) -> Schedule:
        """The timesteps and coefficients of all steps."""

    @property
    def clean(self) -> np.ndarray | None:
        """The clean latents that the job starts from, float32 of `shape`; None: it starts from noise only."""

    @property
    def job(self) -> str | None:
        """The caller's name of the job, to poll or cancel it."""


@dataclass(eq=False)
class Job:
    """A job's request and state. Only the loop's thread changes it, except for `cancelled`."""

    request: Request
    name: str
    submitted: float  # seconds of the service's clock, as are all times here
    deadline: float = float("inf")  # after this time the job fails
    submission: str | None = None  # what its caller alone knows of it
    cancelled: bool = False  # any thread may set it; the job leaves before the next step
    held: Any = None  # the program's state of this job, from joining to leaving
    latents: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    """Of `request.shape` once started."""
    clean: np.ndarray | None = None  # the last step's estimate of the clean latents
    step: int = 0
    target: int = 0  # its deadline as a number of its batcher's calls
    started: float | None = None
    ended: float | None = None
    error: VitrineError | None = None
    timings: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds by part
    spoilt: bool = False  # whether a step gave NaN or infinity
    rows: int = 0  # the sum of the rows of all its calls

    @property
    def steps(self) -> int:
        """The number of all its steps."""
        return self.request.schedule.steps

    @property
    def state(self) -> State:
        """Waiting, running, done or failed."""
        if self.error:
            return "failed"
        if self.step == self.steps:
            return "done"
        return "waiting" if self.started is None else "running"

    @property
    def over(self) -> bool:
        """Whether the job is done or failed."""
        return self.state in ("done", "failed")

    @property
    def timestep(self) -> float:
        """The timestep of the next step, as the network takes it."""
        return float(self.request.schedule.timesteps[self.step])

    @property
    def row(self) -> np.ndarray:
        """The schedule's coefficients of the next step, (8,)."""
        return self.request.schedule.table[self.step]

    def start(self, now: float) -> None:
        """Begin to run: draw the initial latents."""
        schedule, clean = self.request.schedule, self.request.clean
        self.latents = initial_noise(self.request.seed, self.request.shape) * np.float32(
            schedule.initial_scale
        )
        if clean is not None:
            self.latents += clean * np.float32(schedule.initial_clean)
        self.started = now
        self.timings["queue"] = now - self.submitted

    def noise(self) -> np.ndarray | float:
        """The noise of the next step, of the latents' shape; 0 where the scheduler adds none."""
        if not self.row[NEXT_NOISE]:
            return 0.0
        return step_noise(self.request.seed, self.step, self.request.shape)

    def finish_step(self, latents: np.ndarray, clean: np.ndarray) -> None:
        """Take over the latents after a step and its estimate of the clean latents."""
        self.latents, self.clean = latents, clean
        self.step += 1

    def give_up_if_due(self, now: float) -> None:
        """Fail the job when it was cancelled or its deadline has passed."""
        if self.over:
            return
        if self.cancelled:
            self.error = Cancelled(f"the job was cancelled after step {self.step} of {self.steps}")
        elif now > self.deadline and self.started is None:
            self.error = Busy(
                f"the job waited {now - self.submitted:.1f} s without a free place, "
                f"its limit is {self.deadline - self.submitted:.1f} s"
            )
        elif now > self.deadline:
            self.error = Cancelled(
                f"the job's time of {self.deadline - self.submitted:.1f} s was over "
                f"after step {self.step} of {self.steps}"
            )

    def report(self) -> dict[str, object]:
        """The job's report for the caller: steps, scheduler, seconds by part, mean rows of its calls."""
        total = (self.ended or self.submitted) - self.submitted
        timings = {name: round(seconds, 6) for name, seconds in self.timings.items()}
        return {
            "job": self.name,
            "seed": self.request.seed,
            "steps": self.steps,
            "scheduler": self.request.scheduler,
            "timings": timings | {"total": round(total, 6)},
            "rows_per_call": round(self.rows / max(self.step, 1), 3),
        }


def network_inputs(jobs: Sequence[Job]) -> tuple[np.ndarray, np.ndarray]:
    """The networks' inputs for jobs of one shape: scaled latents (R, *shape), timesteps (R,), float32."""
    latents = np.stack([job.latents for job in jobs])
    scale = np.stack([job.row for job in jobs])[:, INPUT_SCALE].reshape(-1, *(1,) * (latents.ndim - 1))
    return (latents * scale).astype(np.float32), np.array([job.timestep for job in jobs], np.float32)
