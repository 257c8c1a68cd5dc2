"""One denoising job on its way from noise to latents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from vitrine.errors import Busy, Cancelled, VitrineError

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.sampling.noise import initial_noise, step_noise
from vitrine_orchestrator.sampling.schedule import NEXT_NOISE
from vitrine_orchestrator.try_on.request import JobRequest

State = Literal["waiting", "running", "done", "failed"]


@dataclass(eq=False)
class Job:
    """What a job asks and how far it has come. Only the loop's thread changes it, `cancelled` apart."""

    request: JobRequest
    name: str
    submitted: float  # seconds of the service's clock, like all times here
    deadline: float = float("inf")  # later than this it is given up
    cancelled: bool = False  # any thread may set it; the job leaves before the next step
    garment: str = ""  # the garment and its prompt, as the cache knows them
    conditioning: DeviceRow | None = None
    latents: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))  # (4, h, w) once started
    clean: np.ndarray | None = None  # the last step's estimate of the clean latents
    step: int = 0
    target: int = 0  # by which of its batcher's calls it should have ended
    started: float | None = None
    ended: float | None = None
    error: VitrineError | None = None
    timings: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds by part
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
        shape = self.request.garment_latents.shape
        scale = np.float32(self.request.schedule.initial_scale)
        self.latents = initial_noise(self.request.seed, shape) * scale
        self.started = now
        self.timings["queue"] = now - self.submitted

    def noise(self) -> np.ndarray | float:
        """The noise of the coming step, (4, h, w); 0 where the scheduler adds none."""
        if not self.row[NEXT_NOISE]:
            return 0.0
        return step_noise(self.request.seed, self.step, self.request.garment_latents.shape)

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
