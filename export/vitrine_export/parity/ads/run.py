"""Runs a case with our code: from prompts and noise to pixels, for any of its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets import flux, vae_tiles, z_image
from vitrine_export.nets.flow_sigmas import Schedule, flow, read_flow_config
from vitrine_export.parity.ads.case import Arrays, Case
from vitrine_export.parity.ads.engines import Call, Model
from vitrine_export.parity.ads.text import captions, filled_up, tokenizer

Velocity = Callable[[list[Tensor], float], list[Tensor]]
"""Maps the latents of each row, and σ, to dx/dσ of each row."""

CLIP_TOKENS = 77


@dataclass
class CaseResult:
    """The results of a run: lists with one item per row, in `steps` one item per step."""

    schedule: Schedule
    embeds: list[Tensor]
    pooled: Tensor | None = None
    steps: list[list[Tensor]] = field(default_factory=list)
    pixels: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A case with its model and engine."""

    case: Case
    model: Model
    engine: str

    @property
    def nets(self) -> dict[str, Call]:
        """The networks by name."""
        return self.model.engines[self.engine]

    def rows(self, arrays: Arrays, which: Sequence[int]) -> CaseResult:
        """Run the rows `which` of the case, with one call per step."""
        case, config = self.case, read_flow_config(self.model.checkpoint.scheduler)
        schedule = flow(config, case.steps, case.tokens, 1.0 if case.strength is None else case.strength)
        outcome, velocity = _PREPARED[case.kind](self, schedule, which)
        latents = self._start(arrays, schedule, which)
        for now, onward in zip(schedule.sigmas, schedule.sigmas[1:], strict=False):
            moves = velocity(latents, float(now))
            latents = [x + float(onward - now) * v for x, v in zip(latents, moves, strict=True)]
            outcome.steps.append(latents)
        outcome.pixels = list(vae_tiles.decode(self.nets["vae_decoder"], torch.stack(latents)))
        return outcome

    def _start(self, arrays: Arrays, schedule: Schedule, which: Sequence[int]) -> list[Tensor]:
        noise = torch.from_numpy(arrays["noise"])[list(which)]
        if self.case.strength is None:
            return list(noise)
        pixels = torch.from_numpy(arrays["image"]).permute(2, 0, 1)[None].float() / 127.5 - 1
        size = (self.case.height, self.case.width)
        if tuple(pixels.shape[-2:]) != size:
            raise BadCheckpoint(f"{self.case.name}: image must be {size}, got {tuple(pixels.shape[-2:])}")
        clean = vae_tiles.encode(self.nets["vae_encoder"], pixels)
        return list(schedule.initial_scale * noise + schedule.initial_clean * clean)

    def lora(self, rows: int) -> tuple[Tensor, ...]:
        """Return the LoRA inputs of `rows` rows without adapter."""
        return (*self.model.lora, torch.zeros(rows, dtype=torch.int64))

    def of_rows(self, which: Sequence[int]) -> list[str]:
        """Return the prompts of the rows."""
        return [self.case.prompts[row] for row in which]


def _z_image(run: Run, schedule: Schedule, which: Sequence[int]) -> tuple[CaseResult, Velocity]:
    case, tokens = run.case, tokenizer(run.model.checkpoint.folder / "tokenizer")
    encoder, guided = run.nets["text_encoder"], case.guidance > 0
    words = captions(tokens, encoder, run.of_rows(which), case.text_length)
    against = captions(tokens, encoder, [case.negative] * len(which), case.text_length) if guided else []

    def velocity(latents: list[Tensor], sigma: float) -> list[Tensor]:
        every = latents * 2 if guided else latents
        rows = z_image.rows_of(every, words + against)
        time = torch.full((len(every),), 1.0 - sigma)
        output = run.nets["transformer"](*rows.tensors, time, *run.lora(len(every)))
        found = z_image.velocities(output, every)
        if not guided:
            return found
        pairs = zip(found[: len(latents)], found[len(latents) :], strict=True)
        return [wanted + case.guidance * (wanted - unwanted) for wanted, unwanted in pairs]

    return CaseResult(schedule, words), velocity


def _flux(run: Run, schedule: Schedule, which: Sequence[int]) -> tuple[CaseResult, Velocity]:
    case, folder, prompts = run.case, run.model.checkpoint.folder, run.of_rows(which)
    pooled = filled_up(tokenizer(folder / "tokenizer"), run.nets["text_encoder"], prompts, CLIP_TOKENS)
    second = tokenizer(folder / "tokenizer_2"), run.nets["text_encoder_2"]
    texts = list(filled_up(*second, prompts, case.text_length))
    guidance = [torch.full((len(prompts),), case.guidance)] if run.model.guided else []

    def velocity(latents: list[Tensor], sigma: float) -> list[Tensor]:
        rows = flux.rows_of(latents, texts, pooled)
        time = torch.full((len(latents),), sigma)
        output = run.nets["transformer"](*rows.tensors, time, *guidance, *run.lora(len(latents)))
        return flux.velocities(output, latents)

    return CaseResult(schedule, texts, pooled), velocity


_PREPARED: dict[str, Callable[[Run, Schedule, Sequence[int]], tuple[CaseResult, Velocity]]] = {
    "z-image": _z_image,
    "flux": _flux,
}
"""Functions by the case's kind."""
