"""Muon: momentum with orthogonal updates for the matrices inside blocks, AdamW for everything else.

Source: Jordan et al., "Muon: an optimizer for hidden layers", 2024; the scale of an update is that of
Liu et al., "Muon is scalable for LLM training", 2025 (0.2 · √(longer side), the size of AdamW's updates).
The products are in bfloat16 where the hardware multiplies it, as in the first source, else in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vitrine_export.training.loop import multiplies_bfloat16

MOMENTUM = 0.95
ROUNDS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration X ← aX + (bA + cA²)X, A = XXᵀ, of the first source."""
LIKE_ADAMW = 0.2
MODULATION = ("mod", "modulation")
"""Names of layers that scale and gate blocks end with these; their matrices are AdamW's."""
SHARES = (1.0, 0.3, 0.1)
"""Shares of the plan's learning rate: for Muon, for AdamW, and for layers that start near their aim."""


class Muon(torch.optim.Optimizer):
    """Muon over matrices (m, n)."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every matrix against its orthogonalised momentum."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                update = orthogonal(weight.grad.lerp(momentum, MOMENTUM))
                weight.sub_(update, alpha=group["lr"] * LIKE_ADAMW * max(weight.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values of about 1 (0.7 to 1.2), by Newton-Schulz iteration."""
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    x = x.bfloat16() if multiplies_bfloat16() else x
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Both:
    """Muon and AdamW as one optimiser; `param_groups` may be given a learning rate, `share` scales it."""

    def __init__(self, net: nn.Module, lr: float, inside: tuple[str, ...], near: tuple[str, ...]) -> None:
        """Muon moves the matrices of modules `inside`; those of `near` move little. Both begin names."""
        groups: tuple[list[nn.Parameter], ...] = ([], [], [])
        for name, weight in net.named_parameters():
            modulates = any(part.endswith(MODULATION) for part in name.split("."))
            fits = name.startswith(inside) and weight.ndim == 2 and not modulates
            groups[0 if fits else 2 if name.startswith(near) else 1].append(weight)
        others = [{"params": weights} for weights in groups[1:]]
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            Muon(groups[0], lr),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        for group, share in zip(self.param_groups, SHARES, strict=True):
            group["share"] = share

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """One step of both."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both, to continue from."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])
        self.param_groups = [group for part in self.parts for group in part.param_groups]
