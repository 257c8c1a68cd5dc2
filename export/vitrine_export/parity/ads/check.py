"""Checks every case of a folder, in torch and with ONNX files, row by row and all rows in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import torch

from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.flow_sigmas import flow, read_flow_config
from vitrine_export.nets.flux.rows import patched
from vitrine_export.parity.ads.case import Arrays, Case, read_arrays, read_cases
from vitrine_export.parity.ads.engines import Model, opened
from vitrine_export.parity.ads.run import CaseResult, Run
from vitrine_export.parity.check import Check, compared

KINDS = ("z-image", "flux")


def check_ads(path: Path) -> Iterator[Check]:
    """Yield every quantity of every case; opens each model once."""
    cases = sorted(read_cases(path), key=lambda case: case.model)
    for case in cases:
        if case.kind not in KINDS:
            raise BadCheckpoint(f"{case.name}: kind must be one of {KINDS}, got {case.kind!r}")
    for name, group in groupby(cases, key=lambda case: case.model):
        with opened(path / name) as model:
            for case in group:
                yield from _check(case, model, read_arrays(path, case))


def _check(case: Case, model: Model, arrays: Arrays) -> Iterator[Check]:
    yield from _check_schedule(case, model, arrays)
    every = range(len(case.prompts))
    calls = {tuple(every), *((row,) for row in every)}
    for engine in model.engines:
        for which in sorted(calls):
            form = f"{engine} {'batched' if len(which) > 1 else 'single'}"
            yield from _check_rows(
                case.name, form, arrays, Run(case, model, engine).rows(arrays, which), which
            )


def _check_schedule(case: Case, model: Model, arrays: Arrays) -> Iterator[Check]:
    """Check the tables of all steps, also those that strength skips, as the pipeline keeps them."""
    schedule = flow(read_flow_config(model.checkpoint.scheduler), case.steps, case.tokens)
    for name in ("sigmas", "timesteps"):
        yield compared(case.name, "numpy", name, "tables", getattr(schedule, name), arrays[name])


def _check_rows(
    case: str, form: str, arrays: Arrays, outcome: CaseResult, which: Sequence[int]
) -> Iterator[Check]:
    rows = list(which)
    for row, ours in zip(rows, outcome.embeds, strict=True):
        theirs = arrays[f"embeds_{row}"] if f"embeds_{row}" in arrays else arrays["prompt_embeds"][row]
        yield compared(case, form, "text", "embeds", ours, theirs)
    if outcome.pooled is not None:
        yield compared(case, form, "pooled text", "embeds", outcome.pooled, arrays["pooled"][rows])
    name, shaped = ("steps_packed", patched) if "steps_packed" in arrays else ("steps_latents", None)
    stored = arrays[name][:, rows]
    ours = [torch.stack([shaped(x) if shaped else x for x in step]) for step in outcome.steps]
    yield compared(case, form, "steps", "ad latents", torch.stack(ours), stored)
    yield compared(
        case, form, "latents", "ad latents", torch.stack(outcome.steps[-1]), arrays["latents"][rows]
    )
    yield compared(case, form, "pixels", "ad pixels", torch.stack(outcome.pixels), arrays["pixels"][rows])
