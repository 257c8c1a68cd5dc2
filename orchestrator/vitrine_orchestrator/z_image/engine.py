"""Runs Z-Image's transformer, a file in a version folder of `denoise`.

Inputs (R rows, N picture tokens, M caption tokens, C the caption's width, K slots of rank r):
    patches (R, N, 4 · channels), picture_ids (R, N, 3), picture_pad and picture_valid (R, N),
    caption (R, M, C), caption_ids (R, M, 3), caption_pad and caption_valid (R, M),
    time (R,): 1 − σ, lora_down (K, r, inputs), lora_up (K, r, outputs), lora_slot (R,)
    → velocity (R, N, 4 · channels), of the opposite sign to dx/dσ
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from vitrine.errors import Unavailable

from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock
from vitrine_orchestrator.engine.onnx_device import OnnxDevice, bind_arrays
from vitrine_orchestrator.loras.slots import SlotPool
from vitrine_orchestrator.z_image.facts import TRANSFORMER
from vitrine_orchestrator.z_image.token_rows import TokenRow, patches, stacked, unpatched

MOST_FILL = 2.0  # rows share a call when the longest has at most this many times the shortest's tokens
MOST_TOKENS = 16 * (4096 + 512)  # of a call, padding included: 16 pictures of 1024x1024, or 4 of 2048x2048


@dataclass(frozen=True)
class NetworkRow:
    """One row of a step: what stays equal from step to step, and what does not."""

    fixed: TokenRow
    latents: np.ndarray  # (C, h, w) float32
    time: float  # 1 − σ
    slot: int  # of its adapters; 0: none


class Engine(Protocol):
    """Computes rows. One thread at a time uses it; any error that it raises fails the jobs of that call."""

    def predict(self, rows: Sequence[NetworkRow], slots: SlotPool) -> list[np.ndarray]:
        """The velocity dx/dσ of each row, (C, h, w) float32."""


class OnnxEngine:
    """An Engine on ONNX Runtime. The slots stay on its device until one of them changes."""

    def __init__(self, folder: Path, device: OnnxDevice, turns: TurnLock | NoTurnLock | None = None) -> None:
        """Open the graph of `folder`; Unavailable when it is missing.

        turns: the lock that each call holds, so that networks on the same cores run one after the other.
        """
        if not (folder / TRANSFORMER).exists():
            raise Unavailable(f"denoise has no {TRANSFORMER}: run make export")
        self._device, self._session = device, device.open(folder / TRANSFORMER)
        self._turns = turns or NoTurnLock()
        self._slots: tuple[SlotPool, int] | None = None  # the pool and its changes when it was copied
        self._on_device: dict[str, object] = {}
        self.calls: list[int] = []  # rows of each call of the graph

    def predict(self, rows: Sequence[NetworkRow], slots: SlotPool) -> list[np.ndarray]:
        """See Engine. Rows of very different lengths are computed in several calls."""
        found: list[np.ndarray | None] = [None] * len(rows)
        for places in calls_of([row.fixed.tokens for row in rows]):
            for place, velocity in zip(places, self._call([rows[p] for p in places], slots), strict=True):
                found[place] = velocity
        return [velocity for velocity in found if velocity is not None]

    def _call(self, rows: Sequence[NetworkRow], slots: SlotPool) -> list[np.ndarray]:
        feeds = stacked([row.fixed for row in rows])
        feeds |= {
            "patches": patches([row.latents for row in rows], feeds["picture_pad"].shape[1]),
            "time": np.array([row.time for row in rows], np.float32),
            "lora_slot": np.array([row.slot for row in rows], np.int64),
        }
        binding = self._session.io_binding()
        bind_arrays(binding, self._session, feeds)
        for name, value in self._slots_on_device(slots).items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(self._session.get_outputs()[0].name, "cpu")
        with self._turns.taken():
            self._session.run_with_iobinding(binding)
        self.calls.append(len(rows))
        (output,) = binding.copy_outputs_to_cpu()
        return [-unpatched(row, one.fixed.size) for row, one in zip(output, rows, strict=True)]

    def _slots_on_device(self, slots: SlotPool) -> dict[str, object]:
        if self._slots != (slots, slots.changes):
            self._on_device = {
                "lora_down": self._device.put(slots.down),
                "lora_up": self._device.put(slots.up),
            }
            self._slots = slots, slots.changes
        return self._on_device


def calls_of(tokens: Sequence[int]) -> list[list[int]]:
    """The places of the rows of each call: sorted by length, so that little of a call is padding.

    Memory and time grow with a call's tokens, which MOST_TOKENS limits, except for a single row.
    """
    calls: list[list[int]] = []
    for place in sorted(range(len(tokens)), key=lambda place: tokens[place]):
        length = tokens[place]  # of every row of the call, since it is the longest so far
        if (
            not calls
            or length > MOST_FILL * tokens[calls[-1][0]]
            or length * (len(calls[-1]) + 1) > MOST_TOKENS
        ):
            calls.append([])
        calls[-1].append(place)
    return calls
