"""How the paper shop's networks train, as data."""

from __future__ import annotations

from vitrine_export.training.loop import Plan

SEED = 20261126
"""The seed of everything that is drawn for training; scores use other seeds."""

PICTURES = 3600
"""How many drawings the set holds."""
STYLE_SHARES = {"plain": 0.6, "line": 0.2, "night": 0.2}
"""How often the set shows each style."""

PLANS = {
    "shop_checkers": Plan(steps=1000, batch=32, lr=3e-3, warmup=100, save_every=50),
    "shop_cut_out_half": Plan(steps=500, batch=12, lr=4e-3, warmup=100, ema=0.98, save_every=50),
    "shop_cut_out": Plan(steps=300, batch=8, lr=2e-3, warmup=50, save_every=25),
}
"""U²-Net learns at half the pictures' size first, where a step costs a quarter."""
