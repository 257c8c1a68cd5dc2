"""The schedules that a checkpoint offers, by name: one row for each kind of scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from vitrine_orchestrator.sampling.config import (
    SchedulerConfig,
    UnsupportedScheduler,
    checkpoint_kind,
    read_config,
)
from vitrine_orchestrator.sampling.diffusion import ddim, ddpm, euler
from vitrine_orchestrator.sampling.flow import flow
from vitrine_orchestrator.sampling.flow_config import FlowConfig, read_flow_config
from vitrine_orchestrator.sampling.schedule import CLIP, Schedule

KINDS = ("ddpm", "ddim", "euler")
"""Diffusion schedulers: a checkpoint made for one of them can be sampled with any."""

_MAKERS: dict[str, Callable[[SchedulerConfig, int], Schedule]] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
}


class _Offer(NamedTuple):
    """The schedulers that can sample a checkpoint; functions that read its config and make schedules."""

    kinds: tuple[str, ...]
    read: Callable[[Mapping[str, object], str], Any]
    make: Callable[..., Schedule]  # takes config, kind, steps, tokens, strength


class Schedules:
    """The schedules of one checkpoint, each computed once."""

    MAX_KEPT = 1024  # schedules; then the oldest is forgotten

    def __init__(self, config: Mapping[str, object]) -> None:
        """`config` is scheduler_config.json; raises UnsupportedScheduler for what is not supported."""
        self.own = checkpoint_kind(config)
        self._offer = _OFFERS[self.own]
        self._configs = {kind: self._offer.read(config, kind) for kind in self._offer.kinds}
        self._kept: dict[tuple[str, int, int | None, float], Schedule] = {}

    def get(self, name: str, steps: int, tokens: int | None = None, strength: float = 1.0) -> Schedule:
        """The schedule of scheduler `name` in `steps` steps.

        name: "checkpoint" or one of the kinds that the checkpoint can be sampled with.
        tokens, strength: see `flow.flow`; diffusion schedulers take neither.
        """
        kind = self.own if name == "checkpoint" else name
        if kind not in self._configs:
            raise UnsupportedScheduler(
                f"scheduler must be one of {('checkpoint', *self._configs)}, got {name!r}"
            )
        key = (kind, steps, tokens, strength)
        if key not in self._kept:
            schedule = self._offer.make(self._configs[kind], kind, steps, tokens, strength)
            while len(self._kept) >= self.MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = schedule
        return self._kept[key]


def make_schedule(config: SchedulerConfig, kind: str, steps: int) -> Schedule:
    """The table of `steps` steps of a diffusion scheduler.

    Raises UnsupportedScheduler when this scheduler cannot take that many steps of this config.
    """
    limit = config.num_train_timesteps
    if not 1 <= steps <= limit:
        raise UnsupportedScheduler(f"steps must be 1 to {limit} (num_train_timesteps), got {steps}")
    schedule = _MAKERS[kind](config, steps)
    computed = np.isfinite(np.delete(schedule.table, CLIP, axis=1)).all()
    if not computed or np.isnan(schedule.table[:, CLIP]).any():
        raise UnsupportedScheduler(
            f"{kind} cannot start at zero signal with prediction_type {config.prediction_type}: "
            f"timestep {schedule.timesteps[0]:.0f} of timestep_spacing {config.timestep_spacing}"
        )
    return schedule


def _diffusion(
    config: SchedulerConfig, kind: str, steps: int, tokens: int | None, strength: float
) -> Schedule:
    if strength != 1:
        raise UnsupportedScheduler(f"strength must be 1 with scheduler {kind}, got {strength}")
    return make_schedule(config, kind, steps)


def _flow(config: FlowConfig, kind: str, steps: int, tokens: int | None, strength: float) -> Schedule:
    return flow(config, steps, tokens, strength)


_DIFFUSION = _Offer(KINDS, read_config, _diffusion)
_OFFERS = dict.fromkeys(KINDS, _DIFFUSION) | {
    "flow": _Offer(("flow",), lambda config, kind: read_flow_config(config), _flow)
}
