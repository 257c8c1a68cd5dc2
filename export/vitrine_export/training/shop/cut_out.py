"""Training of U²-Net on the shop: the alpha of the product."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F

from vitrine_export.shop_nets import U2Net
from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.shop.pictures import Batch, PictureSet, picture_set
from vitrine_export.training.shop.recipe import PLANS

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's colour statistics, with which the released U²-Net normalises pictures in 0 to 1."""
SHARP = 4.0
"""How much the fused alpha's absolute error counts, next to the cross-entropies."""


def train_cut_out(folder: Path) -> U2Net:
    """Train at half the size of the pictures, then at the full size."""
    data = picture_set(folder)
    torch.manual_seed(0)
    net = U2Net().to(memory_format=torch.channels_last)
    for phase, shrink in (("shop_cut_out_half", 2), ("shop_cut_out", 1)):
        _train(phase, net, data.shrunk(shrink) if shrink > 1 else data, folder)
    return net


def _train(phase: str, net: U2Net, data: PictureSet, folder: Path) -> None:
    """Train in place for one phase."""
    plan = PLANS[phase]

    def loss_of(batch: Batch, step: int) -> torch.Tensor:
        seen = normalised(batch.pictures / 2.0 + 0.5)
        seen = seen.to(device(), memory_format=torch.channels_last)
        with autocast():
            answers = net.logits(seen)
        return error(tuple(answer.float() for answer in answers), batch.alphas.to(device()))

    fit(
        phase,
        net,
        loss_of,
        lambda first: (data.batch(step, plan.batch) for step in range(first, plan.steps)),
        plan,
        folder,
    )


def error(answers: tuple[torch.Tensor, ...], truth: torch.Tensor) -> torch.Tensor:
    """Return the sum of all cross-entropies (section 3.3 of the paper) and of the fused alpha's error."""
    crossed = sum(F.binary_cross_entropy_with_logits(answer, truth) for answer in answers)
    return crossed + SHARP * (torch.sigmoid(answers[0]) - truth).abs().mean()


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Return pictures (R, 3, H, W) in 0 to 1 as the input of U²-Net."""
    mean, spread = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, SPREAD))
    return (pictures - mean) / spread
