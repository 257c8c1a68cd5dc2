"""A second family for tests: a linear network on waves, with nothing in common with the try-on.

State (2, n); the network answers with a velocity (flow matching); jobs share no rows. Written against what
a family may use: Request, Program, the readers of inputs and the schedules.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from vitrine_orchestrator.batching.job import network_inputs
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedule import Schedule, advance
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.wire.fields import MAX_STEPS, identifier, scalar, tensor

FAMILY = "wave"
SCHEDULES = Schedules({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})


@dataclass(frozen=True)
class WaveRequest:
    """One wave: the network pulls the state towards `goal`."""

    goal: np.ndarray  # (2, n) float32
    seed: int
    schedule: Schedule
    job: str | None
    clean: np.ndarray | None  # (2, n), to start from
    scheduler: str = "flow"
    family: str = FAMILY

    @property
    def shape(self):
        """The shape of the state."""
        return self.goal.shape


@dataclass
class WaveProgram:
    """Counts its calls by rows; `before` sees them and may raise or wait."""

    lanes: int = 1
    most: int = 0
    shares: str = ""
    before: object = lambda call, rows: None

    def __post_init__(self):
        self.calls, self.held, self.left = Counter(), 0, []

    def read(self, arrays):
        """Read the inputs goal, seed and steps, and clean and strength for a start from a clean state."""
        goal = tensor(arrays, "goal", arrays["goal"].shape)
        strength = float(arrays.get("strength", [1.0])[0])
        steps = int(scalar(arrays, "steps", np.int32, 1, MAX_STEPS))
        return WaveRequest(
            goal,
            int(scalar(arrays, "seed", np.uint64, 0, 2**64 - 1)),
            SCHEDULES.get("checkpoint", steps, strength=strength),
            identifier(arrays, "job"),
            tensor(arrays, "clean", goal.shape) if "clean" in arrays else None,
        )

    def group(self, job):
        """Waves of one length may share calls."""
        return job.request.shape

    def join(self, jobs):
        """Make a matrix of each job's goal."""
        self.before("join", len(jobs))
        for job in jobs:
            job.held = matrix(job.request.goal)
            self.held += 1

    def share(self, jobs):
        """Never called: `shares` is empty."""
        raise AssertionError("waves share nothing")

    def predict(self, jobs):
        """The velocity of every row, from the linear network."""
        self.before("predict", len(jobs))
        self.calls[len(jobs)] += 1
        states, timesteps = network_inputs(jobs)
        return np.stack(
            [
                velocity(job.held, state, timestep, job.request.goal)
                for job, state, timestep in zip(jobs, states, timesteps, strict=True)
            ]
        )

    def leave(self, job):
        """Give the matrix back."""
        self.left.append(job.name)
        self.held -= 1


def matrix(goal):
    """A matrix (n, n) near the identity."""
    return (np.eye(goal.shape[1]) + 0.1 * np.outer(goal[0], goal[1])).astype(np.float32)


def velocity(weights, state, timestep, goal):
    """The output of the linear network."""
    return (state @ weights - goal * np.float32(1 + timestep / 1000)).astype(np.float32)


def wave_arrays(seed=0, steps=4, length=6, name=None, strength=None):
    """The arrays of one request."""
    draw = np.random.default_rng([seed, length])
    arrays = {
        "family": np.array([FAMILY.encode()], object),
        "goal": draw.standard_normal((2, length)).astype(np.float32),
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
    }
    if strength is not None:
        arrays["clean"] = draw.standard_normal((2, length)).astype(np.float32)
        arrays["strength"] = np.array([strength], np.float32)
    return arrays | ({"job": np.array([name.encode()], object)} if name else {})


def wave_expected(request):
    """The state of a request, by a plain loop over its steps."""
    schedule, weights = request.schedule, matrix(request.goal)
    state = initial_noise(request.seed, request.shape) * np.float32(schedule.initial_scale)
    if request.clean is not None:
        state = state + request.clean * np.float32(schedule.initial_clean)
    for step in range(schedule.steps):
        answer = velocity(weights, state, schedule.timesteps[step], request.goal)
        moved, _ = advance(schedule.table[step : step + 1], state[None], answer[None], 0.0)
        state = moved[0]
    return state
