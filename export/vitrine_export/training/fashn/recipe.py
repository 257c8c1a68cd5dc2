"""The small FASHN VTON checkpoint as data: the network's sizes, its settings, and how it trains."""

from __future__ import annotations

from typing import Any

from vitrine_export.nets.fashn import FashnConfig
from vitrine_export.training.loop import Plan
from vitrine_export.training.recipe import SEED

NET = FashnConfig(
    height=264,
    width=192,
    hidden=128,
    heads=4,
    axes=(8, 12, 12),
    mixers=1,
    double_blocks=2,
    single_blocks=3,
)
"""A doll's picture of 192×256 px fits the canvas without a resize, with 4 black rows above and below.

The checkpoint may hold 10 MB together with the person networks. Width and depths are what a few hours of two
cores can train.
"""

WORLD = SEED + 700
"""The seed of the drawn samples."""

IMAGE_KEPT, GARMENT_KEPT = 104, 128
"""Tokens of each stream that are kept behind the mixers in the first phase.

Of 120 samples, 51 patches of the person's picture change on average and 100 at most; 150 of the garment's
picture differ from paper on average and 230 at most.
"""

PLANS = {
    "fashn": Plan(steps=750, batch=12, lr=2e-3, warmup=60, ema=0.99, save_every=25),
    "fashn_whole": Plan(steps=2200, batch=8, lr=1.6e-3, warmup=30, ema=0.995, save_every=25),
}
"""The first phase trains on kept tokens, the second on all of them, as the network is used."""

SETTINGS: dict[str, Any] = {
    "picture": {"width": NET.width, "height": NET.height},
    "heads": NET.heads,
    "axes": list(NET.axes),
    "prediction_type": "sample",
    "default_steps": 4,
    "default_guidance": 1.0,
    "license": "Apache-2.0",
}
"""vitrine.json. The network predicts the clean picture.

A velocity (picture minus noise) needs a final layer of rank 3·12² = 432. A narrower network cannot express
the noise of a patch, so that noise would stay in the picture.
"""
