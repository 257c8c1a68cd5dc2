"""One network in its three forms: as published, with the exact savings, and exported to ONNX."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from vitrine_export.exporting.fashn import PICTURES, graphs_of
from vitrine_export.exporting.onnx_file import export, session
from vitrine_export.nets.fashn import FashnNet
from vitrine_export.nets.fashn.net import NULL

Velocity = Callable[[np.ndarray, np.ndarray, "Conditions"], np.ndarray]
"""(state, times, conditions) → velocity."""


class Conditions:
    """The conditions of rows: four pictures (B, 3 or 1, H, W) float32 and categories (B,) int64."""

    NAMES = ("ca_images", "person_poses", "garment_images", "garment_poses")

    def __init__(self, pictures: Sequence[np.ndarray], categories: np.ndarray) -> None:
        self.pictures, self.categories = tuple(pictures), categories

    @classmethod
    def of(cls, given: dict[str, np.ndarray]) -> Conditions:
        """Read the conditions from the arrays of a case."""
        return cls([given[name] for name in cls.NAMES], given["garment_categories"])

    def dropped(self, rows: np.ndarray) -> Conditions:
        """Return a copy with `rows` (B,) bool unconditional: pictures of 0.0 and the null category."""
        pictures = [np.where(rows[:, None, None, None], np.float32(0), one) for one in self.pictures]
        return Conditions(pictures, np.where(rows, NULL, self.categories))

    def none(self) -> Conditions:
        """Return these conditions with all rows unconditional."""
        return self.dropped(np.ones(len(self.categories), bool))


class Forms:
    """The velocity of one network in three forms: `plain`, `fast`, `onnx`."""

    def __init__(self, net: FashnNet) -> None:
        self.net = net

    def items(self) -> list[tuple[str, Velocity]]:
        """Return name and function of each form."""
        return [("plain", self.plain), ("fast", self.fast), ("onnx", self.onnx)]

    @torch.no_grad()
    def plain(self, state: np.ndarray, times: np.ndarray, given: Conditions) -> np.ndarray:
        """Compute the velocity with `FashnNet.forward`."""
        inputs = (state, times, *given.pictures, given.categories)
        return self.net(*map(torch.from_numpy, inputs)).numpy()

    @torch.no_grad()
    def fast(self, state: np.ndarray, times: np.ndarray, given: Conditions) -> np.ndarray:
        """Compute the velocity with fixed tokens, modulations and `FashnNet.step`."""
        fixed = self.net.fixed_tokens(*map(torch.from_numpy, given.pictures))
        mods = self.net.modulations(torch.from_numpy(times), torch.from_numpy(given.categories))
        return self.net.step(torch.from_numpy(state), *fixed, mods).numpy()

    def onnx(self, state: np.ndarray, times: np.ndarray, given: Conditions) -> np.ndarray:
        """Compute the velocity with the three exported graphs in onnxruntime."""
        fixed_tokens, modulations, step = self._sessions
        fixed, clothes = fixed_tokens.run(None, dict(zip(PICTURES, given.pictures, strict=True)))
        (mods,) = modulations.run(None, {"times": times, "category": given.categories})
        inputs = {"state": state, "image_fixed": fixed, "garment_tokens": clothes, "mods": mods}
        return step.run(None, inputs)[0]

    @cached_property
    def _sessions(self) -> list[onnxruntime.InferenceSession]:
        with tempfile.TemporaryDirectory() as folder:
            opened = []
            for network in graphs_of(self.net):
                path = Path(folder) / Path(network.file).name
                export(network, path)
                opened.append(session(path))
        return opened
