"""The ways to compute the same pictures, as rows of a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from vitrine_export.exporting.denoise import graphs_of
from vitrine_export.job_inputs import HALVES
from vitrine_export.nets.pipeline import guided
from vitrine_export.nets.step_forms import Job, Predict, Queries, plain
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, Schedule, advance
from vitrine_orchestrator.try_on.engine.torch_engine import TorchEngine

from vitrine_measure.engine.cuda_graphs import CudaGraphs, Graph
from vitrine_measure.engine.subject import GUIDANCE, Jobs, Pair


class Run(Protocol):
    """The steps of R jobs in one batch; arrays are on the host, as in serving."""

    def begin(self) -> None:
        """Compute what the jobs need once."""

    def step(self, index: int, latents: np.ndarray, timesteps: np.ndarray) -> np.ndarray:
        """Return guided predictions of step `index`, float32, for latents (R, 4, h, w) at timesteps (R,)."""


Wrap = Callable[[Any], Any]  # returns a faster callable of tensors


@dataclass(frozen=True)
class RunInputs:
    """The inputs of a run; `wrap` accelerates a graph that runs in every step."""

    pair: Pair
    jobs: Jobs
    schedule: Schedule
    wrap: Wrap


class Released:
    """The released computation by rows: every step computes everything.

    A compiler omits the end of GarmentNet, whose output is unused; the counted work still includes it.
    """

    def __init__(self, given: RunInputs, whole_garment: bool, queries: Queries) -> None:
        pair = given.pair
        features = pair.garment.released if whole_garment else pair.garment
        self._pair = pair
        with torch.inference_mode():
            self._predict: Predict = given.wrap(plain(pair.tryon, features, self._job(given.jobs), queries))

    def begin(self) -> None:
        """Compute nothing ahead."""

    @torch.inference_mode()
    def step(self, index: int, latents: np.ndarray, timesteps: np.ndarray) -> np.ndarray:
        predicted = self._predict(self._tensor(latents), torch.from_numpy(timesteps).to(self._pair.device))
        return guided(predicted.float(), HALVES, GUIDANCE).cpu().numpy()

    def _job(self, jobs: Jobs) -> Job:
        its = {name: self._tensor(array) for name, array in jobs.conditioning.items()}
        return Job(
            fixed=torch.cat([its[name] for name in ("mask_latent", "masked_latents", "pose_latents")], dim=1),
            garment=self._tensor(jobs.garment_latents),
            garment_prompt=self._tensor(jobs.garment_prompt),
            text=its["prompt_embeds"].transpose(0, 1),
            image_tokens=its["image_tokens"].transpose(0, 1),
            pooled=its["pooled_prompt_embeds"].transpose(0, 1),
            time_ids=torch.from_numpy(jobs.conditioning["time_ids"]).to(self._pair.device),
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._pair.device, self._pair.dtype)


class Engine:
    """The torch engine as in serving; its programs in `every_step` run in every step."""

    def __init__(self, given: RunInputs, every_step: tuple[str, ...]) -> None:
        pair, self._jobs, self._every_step = given.pair, given.jobs, every_step
        networks = graphs_of(pair.tryon, pair.garment, pair.dtype, cond=False, kept=pair.dtype)
        names = ("garment", "conditioning", "unet")
        programs = {
            name: given.wrap(network.module) if name in every_step else network.module
            for name, network in zip(names, networks, strict=True)
        }
        self._engine = TorchEngine(programs, str(pair.device))
        self._kept = [] if "garment" in every_step else [self._garment(t) for t in given.schedule.timesteps]
        self._batch: Any = None

    def begin(self) -> None:
        """Compute the jobs' conditioning."""
        rows = self._engine.conditioning(self._jobs.conditioning)
        self._batch = self._engine.batch(rows, np.full(self._jobs.rows, GUIDANCE, np.float32))

    def step(self, index: int, latents: np.ndarray, timesteps: np.ndarray) -> np.ndarray:
        if "conditioning" in self._every_step and index:
            self.begin()
        if self._kept:
            garments = [self._kept[index]] * len(latents)
        else:
            jobs = self._jobs
            garments = self._engine.garment(jobs.garment_latents, timesteps, jobs.garment_prompt)
        return self._engine.predict(self._batch, latents, timesteps, garments)

    def _garment(self, timestep: float) -> Any:
        """Return one row, because all jobs have the same garment."""
        jobs = self._jobs
        at = np.full(1, timestep, np.float32)
        return self._engine.garment(jobs.garment_latents[:1], at, jobs.garment_prompt[:1])[0]


@dataclass(frozen=True)
class Form:
    """The amount of computation; `line` is its row in `vitrine-export flops`."""

    line: str
    make: Callable[[RunInputs], Run]


FORMS: dict[str, Form] = {
    "plain": Form("released", lambda given: Released(given, True, "all")),
    "person_queries": Form("person_queries", lambda given: Released(given, True, "person")),
    "early_exit": Form("early_exit", lambda given: Released(given, False, "person")),
    "closed_form": Form("closed_form", lambda given: Engine(given, ("garment", "conditioning", "unet"))),
    "exact": Form("exact", lambda given: Engine(given, ("garment", "unet"))),
    "cached": Form("exact_cached", lambda given: Engine(given, ("unet",))),
}

WAYS: dict[str, Wrap] = {
    "compile": lambda graph: torch.compile(graph, dynamic=False),
    "graphs": CudaGraphs,
}
"""Accelerations of a graph that do not change the computation; applied in the order of the name."""


@dataclass(frozen=True)
class Variant:
    """A form with its accelerations, named as in `cached+compile+graphs`."""

    name: str

    @property
    def form(self) -> Form:
        """The amount of computation."""
        return FORMS[self.name.partition("+")[0]]

    @property
    def ways(self) -> tuple[str, ...]:
        """The accelerations."""
        return tuple(self.name.split("+")[1:])

    def run(self, pair: Pair, jobs: Jobs, schedule: Schedule) -> Run:
        """Return a run that is ready for `begin`; computes the kept garment rows."""
        return self.form.make(RunInputs(pair, jobs, schedule, self._wrap))

    def _wrap(self, graph: Graph) -> Graph:
        for way in self.ways:
            graph = WAYS[way](graph)
        return graph


PLAIN = Variant("plain")
LADDER = tuple(Variant(name) for name in (*FORMS, "plain+compile", "cached+compile", "cached+compile+graphs"))


def variant(text: str) -> Variant:
    """Return a variant by name; ArgumentTypeError for an unknown form or acceleration."""
    form, *ways = text.split("+")
    if form not in FORMS or not set(ways) <= set(WAYS) or len(set(ways)) < len(ways):
        raise argparse.ArgumentTypeError(
            f"{text}: must be one of {', '.join(FORMS)}, and then any of {', '.join(f'+{w}' for w in WAYS)}"
        )
    return Variant(text)


def picture(run: Run, jobs: Jobs, schedule: Schedule, steps: int) -> np.ndarray:
    """Run the first `steps` steps of all jobs from noise; return latents (R, 4, h, w)."""
    run.begin()
    latents = jobs.noise * np.float32(schedule.initial_scale)
    for index in range(steps):
        table = schedule.table[index : index + 1].repeat(jobs.rows, 0)
        seen = (latents * table[0, INPUT_SCALE]).astype(np.float32)
        timesteps = np.full(jobs.rows, schedule.timesteps[index], np.float32)
        latents, _ = advance(table, latents, run.step(index, seen, timesteps), 0.0)
    return latents
