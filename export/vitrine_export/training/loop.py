"""The training loop of every stage, with cosine schedule, averaged weights, progress bar and resuming."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from tqdm import tqdm


@dataclass(frozen=True)
class Plan:
    """The hyperparameters of one stage's training.

    It has `steps` optimiser steps of `batch` samples each. The learning rate rises linearly to `lr` in
    `warmup` steps and falls to 2 % of it on a cosine (Loshchilov and Hutter, "SGDR", 2017). The result is the
    exponential moving average of the weights with decay `ema`. The state is saved every `save_every` steps.
    """

    steps: int
    batch: int
    lr: float
    warmup: int = 50
    ema: float = 0.995
    save_every: int = 100


def learning_rate(plan: Plan, step: int) -> float:
    """Return the learning rate of optimiser step `step` (from 0)."""
    if step < plan.warmup:
        return plan.lr * (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return plan.lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def device() -> torch.device:
    """Return the first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def multiplies_bfloat16() -> bool:
    """Return whether the hardware multiplies bfloat16: a GPU, or a processor with AVX-512 BF16."""
    return device().type != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def autocast() -> torch.autocast:
    """Return a context with bfloat16 if the hardware multiplies it, in half the time; else float32."""
    return torch.autocast(device().type, torch.bfloat16, enabled=multiplies_bfloat16())


class Averaged:
    """An exponential moving average of a module's state; the decay rises as (step + 1) / (step + 10)."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the module's weights after optimiser step `step`."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value.detach(), 1 - decay)
            else:
                self.shadow[name].copy_(value)


class Optimiser(Protocol):
    """What the loop asks of an optimiser. A group's `share` scales its learning rate."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def adamw(module: nn.Module, lr: float) -> Optimiser:
    """AdamW over all parameters."""
    return torch.optim.AdamW(module.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=1e-4)


def fit(
    name: str,
    module: nn.Module,
    loss_of: Callable[[Any, int], torch.Tensor],
    batches: Callable[[int], Iterable[Any]],
    plan: Plan,
    folder: Path,
    optimiser_of: Callable[[nn.Module, float], Optimiser] = adamw,
    until: int | None = None,
) -> nn.Module:
    """Train `module` in place to the end of `plan` and return it with the averaged weights.

    `until` ends it earlier, before that step; 0 gives what the state holds, without a step.

    `batches(first_step)` yields one batch for each remaining step, the same for the same step whether or not
    the run was interrupted; `loss_of(batch, step)` must draw its randomness from `step` alone. State is
    written to `folder/NAME.state` every `save_every` steps, so a run continues where it was stopped.
    """
    state_path = folder / f"{name}.state"
    module.to(device()).train()
    optimiser = optimiser_of(module, plan.lr)
    average, first = Averaged(module, plan.ema), 0
    if state_path.exists():
        first = _resume(state_path, module, optimiser, average)
    end = plan.steps if until is None else min(until, plan.steps)
    steps = _numbered(batches(first), first, end)
    bar = tqdm(steps, name, plan.steps, initial=first, mininterval=2)
    running = None
    for step, batch in bar:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(plan, step) * group.get("share", 1.0)
        loss = loss_of(batch, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        average.update(module, step)
        running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
        bar.set_postfix(loss=f"{running:.5f}", refresh=False)
        if (step + 1) % plan.save_every == 0 or step + 1 == end:
            _save(state_path, module, optimiser, average, step + 1)
    module.load_state_dict(average.shadow)
    return module.eval()


def _numbered(batches: Iterable[Any], first: int, end: int) -> Iterator[tuple[int, Any]]:
    return zip(range(first, end), batches, strict=False)


def _resume(path: Path, module: nn.Module, optimiser: Optimiser, average: Averaged) -> int:
    state = torch.load(path, map_location=device(), weights_only=True)
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    average.shadow = state["average"]
    return int(state["step"])


def _save(path: Path, module: nn.Module, optimiser: Optimiser, average: Averaged, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    state = {"module": module.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**state, "average": average.shadow, "step": step}, draft)
    draft.replace(path)
