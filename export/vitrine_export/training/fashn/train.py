"""Training of the small FASHN VTON network, in two phases: on kept tokens, then on all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from vitrine_orchestrator.fashn.canvas import BYTE_MIDDLE
from vitrine_orchestrator.fashn.schedule import SHIFT_MU

from vitrine_export.nets.fashn import FashnNet
from vitrine_export.training.draws import batches
from vitrine_export.training.fashn.draws import UNCHANGED, draw_try_on
from vitrine_export.training.fashn.recipe import NET, PLANS
from vitrine_export.training.fashn.start import start_as_copy
from vitrine_export.training.loop import device, fit
from vitrine_export.training.muon import Both

DROPPED = 0.03
"""The share of rows without any condition, for guidance."""
AT_NOISE = 0.85
"""The share of rows at time 0, where the picture is decided; the others' times are the sampler's."""
EDGES = 0.25
"""How much the error of neighbouring pixels' differences counts, next to that of the pixels."""

Batch = dict[str, Tensor]
Loss = Callable[[FashnNet, Batch, int], Tensor]


def train_fashn(folder: Path) -> FashnNet:
    """Train from the start to the end of both plans; `folder` keeps the state."""
    torch.manual_seed(0)
    net = FashnNet(NET)
    start_as_copy(net)
    _phase("fashn", net, loss_of_kept, folder)
    _phase("fashn_whole", net, loss_of_all, folder)
    return net


def _phase(name: str, net: FashnNet, loss: Loss, folder: Path) -> None:
    plan = PLANS[name]

    def drawn(first: int) -> Iterator[Batch]:
        return batches(draw_try_on, first, plan.steps, plan.batch)

    fit(name, net, partial(loss, net), drawn, plan, folder, optimiser)


def optimiser(net: nn.Module, lr: float) -> Both:
    """Muon for the blocks' matrices, AdamW for the rest."""
    blocks = ("x_patch_mixer", "double_blocks", "single_blocks")
    return Both(net, lr, blocks, ("x_embedder", "garment_embedder", "final_layer.linear"))


def loss_of_kept(net: FashnNet, batch: Batch, step: int) -> Tensor:
    """The error of the kept patches; changed patches count most."""
    x, times, pictures, categories, target = _asked(batch, step)
    kept = batch["image_kept"].to(device())
    made = net.kept(x, times, pictures, categories, kept, batch["garment_kept"].to(device()))
    truth = net.patches(target).gather(1, kept[..., None].expand_as(made))
    return patch_error(made, truth, batch["weight"].to(device()), net.config.patch)


def loss_of_all(net: FashnNet, batch: Batch, step: int) -> Tensor:
    """The error of all patches. Those that the first phase would keep have its weights, others UNCHANGED."""
    x, times, pictures, categories, target = _asked(batch, step)
    made, truth = net.patches(net(x, times, *pictures, categories)), net.patches(target)
    changed = (net.patches(pictures[0]) != truth).any(dim=-1)
    return patch_error(made, truth, torch.where(changed, 1.0, UNCHANGED), net.config.patch)


def patch_error(made: Tensor, truth: Tensor, weight: Tensor, patch: int) -> Tensor:
    """Weighted error of patches (B, K, 3·patch²), weights (B, K): absolute, squared, and of differences.

    The absolute error asks for the likeliest edge, the squared one helps colours early, and differences of
    neighbouring pixels ask for edges as steep as the truth's.
    """
    error = (made - truth).unflatten(-1, (3, patch, patch))
    across, down = error.diff(dim=-1).abs().mean((-3, -2, -1)), error.diff(dim=-2).abs().mean((-3, -2, -1))
    pixels = (error.abs() + error.square()).mean((-3, -2, -1))
    return (weight * (pixels + EDGES * (across + down))).sum() / weight.sum()


def _asked(batch: Batch, step: int) -> tuple[Tensor, Tensor, tuple[Tensor, ...], Tensor, Tensor]:
    """Noisy pictures, times, conditions (some rows without), categories and wanted pictures."""
    draw = torch.Generator().manual_seed(step)
    person, garment, target = (signed(batch[name]) for name in ("person", "garment", "target"))
    pose = batch["pose"].to(device())[:, None].float() / BYTE_MIDDLE - 1
    rows = len(target)
    given = (torch.rand(rows, generator=draw) >= DROPPED).to(device())
    times = draw_times(rows, draw).to(device())
    noise = torch.randn(target.shape, generator=draw).to(device())
    x = noise.lerp(target, times[:, None, None, None])
    shown = given[:, None, None, None]
    pictures = tuple(one * shown for one in (person, pose, garment, torch.full_like(pose, -1.0)))
    return x, times, pictures, batch["category"].to(device()) * given, target


def draw_times(rows: int, draw: torch.Generator) -> Tensor:
    """(rows,) times: 0 for the share AT_NOISE, else as a sampler's with many steps, most near the noise."""
    even = torch.rand(rows, generator=draw)
    shift = math.exp(-SHIFT_MU)
    later = shift * even / (1 + (shift - 1) * even)
    return torch.where(torch.rand(rows, generator=draw) < AT_NOISE, 0.0, later)


def signed(pictures: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float32 in -1…1 on the training device."""
    return pictures.to(device()).permute(0, 3, 1, 2).float() / BYTE_MIDDLE - 1
