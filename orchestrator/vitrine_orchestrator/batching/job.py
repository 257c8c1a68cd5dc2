"""One denoising job on its way from noise to latents."""

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
    """What the batcher reads of a request, whatever family it is of. It does not change."""

    @property
    def family(self) -> str:
        """Which program computes it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the state that goes from noise to the result, without a row axis."""

    @property
    def seed(self) -> int:
        """Of the noise, 0 … 2⁶⁴ − 1."""

    @property
    def scheduler(self) -> str:
        """The caller's word for the schedule, for the report."""

    @property
    def schedule(self) -> Schedule:
        """The steps."""

    @property
    def clean(self) -> np.ndarray | None:
        """The clean state that the job starts from, float32 of `shape`; None: it starts from noise alone."""

    @property
    def job(self) -> str | None:
        """The caller's name of the job, to watch or cancel it."""


@dataclass(eq=False)
class Job:
    """What a job asks and how far it has come. Only the loop's thread changes it, except for `cancelled`."""

    request: Request
    name: str
    submitted: float  # seconds of the service's clock, like all times here
    deadline: float = float("inf")  # later than this it is given up
    cancelled: bool = False  # any thread may set it; the job leaves before the next step
    held: Any = None  # what its program keeps for it from joining to leaving
    latents: np.ndarray = field(
        default_factory=lambda: np.empty(0, np.float32)
    )  # `request.shape` once started
    clean: np.ndarray | None = None  # the last step's estimate of the clean latents
    step: int = 0
    target: int = 0  # by which of its batcher's calls it should have ended
    started: float | None = None
    ended: float | None = None
    error: VitrineError | None = None
    timings: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds by part
    spoilt: bool = False  # whether a step gave numbers that are not finite
    rows: int = 0  # of all its steps' calls together

    @property
    def steps(self) -> int:
        """How many steps it takes in all."""
        return self.request.schedule.steps

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.error:
            return "failed"
        if self.step == self.steps:
            return "done"
        return "waiting" if self.started is None else "running"

    @property
    def over(self) -> bool:
        """Whether it has its latents or its error."""
        return self.state in ("done", "failed")

    @property
    def timestep(self) -> float:
        """What the network is told of the coming step."""
        return float(self.request.schedule.timesteps[self.step])

    @property
    def row(self) -> np.ndarray:
        """The schedule's coefficients of the coming step, (8,)."""
        return self.request.schedule.table[self.step]

    def start(self, now: float) -> None:
        """Take a place: draw the first latents."""
        schedule, clean = self.request.schedule, self.request.clean
        self.latents = initial_noise(self.request.seed, self.request.shape) * np.float32(
            schedule.initial_scale
        )
        if clean is not None:
            self.latents += clean * np.float32(schedule.initial_clean)
        self.started = now
        self.timings["queue"] = now - self.submitted

    def noise(self) -> np.ndarray | float:
        """The noise of the coming step, of the latents' shape; 0 where the scheduler adds none."""
        if not self.row[NEXT_NOISE]:
            return 0.0
        return step_noise(self.request.seed, self.step, self.request.shape)

    def moved(self, latents: np.ndarray, clean: np.ndarray) -> None:
        """One step on."""
        self.latents, self.clean = latents, clean
        self.step += 1

    def give_up_if_due(self, now: float) -> None:
        """Fail it when its caller has gone or its time has passed."""
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
        """What happened, for the caller: steps, scheduler, seconds by part, mean rows of its calls."""
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
    """What the networks get of jobs of one shape: scaled latents (R, *shape) and timesteps (R,), float32."""
    latents = np.stack([job.latents for job in jobs])
    scale = np.stack([job.row for job in jobs])[:, INPUT_SCALE].reshape(-1, *(1,) * (latents.ndim - 1))
    return (latents * scale).astype(np.float32), np.array([job.timestep for job in jobs], np.float32)
