"""Training of the checker, which reads kind, colour, trade, light and style from a picture.

It sees blurred and noisy pictures too, because what it judges is made by networks.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F

from vitrine_export.shop_nets import Checker
from vitrine_export.shop_nets.checker import SIDE
from vitrine_export.training.loop import device, fit
from vitrine_export.training.shop.pictures import Batch, picture_set
from vitrine_export.training.shop.recipe import PLANS, SEED

NOISE, GAIN = 0.06, 0.08
"""The most noise, as a standard deviation of the signed range, and the most that contrast is off."""
BLURRED = 0.4
"""The share of the pictures that are blurred, by 3×3 means."""


def train_checker(folder: Path) -> Checker:
    """Train on the set with cross-entropy at every head."""
    plan, data = PLANS["shop_checkers"], picture_set(folder)
    data = data.shrunk(data.pictures.shape[1] // SIDE)
    torch.manual_seed(0)
    net = Checker().to(memory_format=torch.channels_last)

    def loss_of(batch: Batch, step: int) -> torch.Tensor:
        seen = worn(batch.pictures, step).to(device(), memory_format=torch.channels_last)
        logits = net(seen)
        return sum(F.cross_entropy(logits[name], batch.labels[name].to(device())) for name in logits)

    return fit(
        "shop_checkers",
        net,
        loss_of,
        lambda first: (data.batch(step, plan.batch) for step in range(first, plan.steps)),
        plan,
        folder,
    )


def worn(pictures: torch.Tensor, step: int) -> torch.Tensor:
    """Return pictures (R, 3, H, W) with noise and changed contrast, some blurred, as networks make them."""
    dice = torch.Generator().manual_seed(SEED + step)
    rows = len(pictures)
    blurred = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    chosen = torch.rand(rows, 1, 1, 1, generator=dice) < BLURRED
    gain = 1.0 + GAIN * (2.0 * torch.rand(rows, 1, 1, 1, generator=dice) - 1.0)
    noise = NOISE * torch.rand(rows, 1, 1, 1, generator=dice) * torch.randn(pictures.shape, generator=dice)
    return torch.where(chosen, blurred, pictures) * gain + noise
