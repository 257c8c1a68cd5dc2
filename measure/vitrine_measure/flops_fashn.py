"""The work of a picture of FASHN VTON, and the effect of each exact saving, counted on meta tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode
from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.fashn import FashnConfig, FashnNet
from vitrine_orchestrator.fashn.schedule import UNGUIDED_STEPS

from vitrine_measure.flops import Line


@dataclass(frozen=True)
class RowFlops:
    """FLOP of one row (one branch of one job) of one step."""

    plain: float  # everything computed in every step
    step: float  # with precomputed tokens and modulations, and a trimmed last block
    modulations: float  # of one (time, category)
    fixed: float  # of the job's tokens, once per branch


def count_row(width: int, height: int) -> RowFlops:
    """Count one row for a canvas of width × height px. Raises ValueError unless both are multiples of 12."""
    try:
        config = FashnConfig(width=width, height=height)
    except BadCheckpoint as error:
        raise ValueError(str(error)) from error
    with torch.device("meta"), torch.no_grad():
        net = FashnNet(config)
        person, pose = torch.empty(1, 3, height, width), torch.empty(1, 1, height, width)
        times, category = torch.empty(1), torch.zeros(1, dtype=torch.int64)
        pictures = (person, pose, person, pose)
        fixed, mods = net.fixed_tokens(*pictures), net.modulations(times, category)
        return RowFlops(
            plain=_count(lambda: net(person, times, *pictures, category)),
            step=_count(lambda: net.step(person, *fixed, mods)),
            modulations=_count(lambda: net.modulations(times, category)),
            fixed=_count(lambda: net.fixed_tokens(*pictures)),
        )


def table(width: int, height: int, steps: int, guidance: float) -> list[Line]:
    """Return the work of the released computation, then with each exact saving added in turn.

    Without guidance (1 or less) a step has one row. Raises ValueError for steps below 1 and unfit sizes.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    row, guided = count_row(width, height), guidance > 1
    rows = 2 * steps - min(steps, UNGUIDED_STEPS) if guided else steps
    cached = rows - 1 if guided else rows
    branches = 2 if guided else 1
    fast = cached * row.step + branches * row.fixed
    return [
        Line("released", 2 * steps * row.plain, "both branches in every step, as the released code does it"),
        Line("exact_rows", rows * row.plain, "no unconditional row where guidance is off"),
        Line("first_row", cached * row.plain, "the first unconditional velocity kept by seed"),
        Line("exact", fast + cached * row.modulations, "fixed tokens once a job, last block trimmed"),
        Line("exact_cached", fast, "shifts, scales and gates kept by (time, category)"),
    ]


def _count(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
