"""Runs a family's transformer, a file in a version folder of `denoise`, with adapters by row.

Every graph has one output, and next to the family's own inputs these (R rows, K slots of rank r):
    lora_down (K, r, inputs), lora_up (K, r, outputs), lora_slot (R,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from vitrine.errors import Unavailable

from vitrine_orchestrator.cores.row_split import Lanes
from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock
from vitrine_orchestrator.engine.onnx_device import OnnxDevice, bind_arrays, cpu
from vitrine_orchestrator.loras.slots import SlotPool

MOST_FILL = 2.0  # rows share a call when the longest has at most this many times the shortest's tokens
MOST_TOKENS = 16 * (4096 + 512)  # of a call, padding included: 16 pictures of 1024x1024, or 4 of 2048x2048
MOST_UNEVEN = 1.3  # lanes compute when the longest one's tokens are at most this many times their mean


class FixedRow(Protocol):
    """What one row keeps from step to step."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the latents."""
        ...

    @property
    def tokens(self) -> int:
        """All tokens of the row."""
        ...


@dataclass(frozen=True)
class NetworkRow:
    """One row of a step: what stays equal from step to step, and what does not."""

    fixed: Any  # a FixedRow of the family
    latents: np.ndarray  # (C, h, w) float32
    timestep: float  # of the schedule: σ times the number of trained timesteps
    guidance: float
    slot: int  # of its adapters; 0: none


class RowForm(Protocol):
    """How a family's graph takes rows."""

    def feeds(self, rows: Sequence[NetworkRow]) -> dict[str, np.ndarray]:
        """The graph's inputs for these rows, those of the adapters excepted."""
        ...

    def velocities(self, output: np.ndarray, rows: Sequence[NetworkRow]) -> list[np.ndarray]:
        """The velocity dx/dσ of each row, (C, h, w) float32, from the graph's output."""
        ...


class Engine(Protocol):
    """Computes rows. One thread at a time uses it; any error that it raises fails the jobs of that call."""

    @property
    def lanes(self) -> int:
        """Rows that are computed concurrently. Calls of a multiple of it leave no lane idle."""

    def predict(self, rows: Sequence[NetworkRow], slots: SlotPool) -> list[np.ndarray]:
        """The velocity dx/dσ of each row, (C, h, w) float32."""


@dataclass(frozen=True)
class Call:
    """One call of the graph with its inputs bound, and the places of its rows."""

    session: onnxruntime.InferenceSession
    binding: onnxruntime.IOBinding
    places: Sequence[int]


class OnnxEngine:
    """An Engine on ONNX Runtime. The slots stay on its device until one of them changes.

    On the CPU each core computes rows of its own, as in cores/row_split.py, where that divides evenly.
    """

    def __init__(
        self,
        path: Path,
        form: RowForm,
        device: OnnxDevice,
        turns: TurnLock | NoTurnLock | None = None,
        lanes: int = 1,
    ) -> None:
        """Open the graph at `path`; Unavailable when it is missing.

        turns: the lock that each step holds, so that networks on the same cores run one after the other.
        lanes: threads of which each computes its share of the rows; `device` computes all rows together.
        """
        if not path.exists():
            raise Unavailable(f"denoise has no {path.name}: run make export")
        self._form, self._device, self._session = form, device, device.open(path)
        self._single = cpu(1).open(path) if lanes > 1 else self._session
        self._lanes = Lanes(lanes)
        self._turns = turns or NoTurnLock()
        self._slots: tuple[SlotPool, int] | None = None  # the pool and its changes when it was copied
        self._on_device: dict[str, object] = {}

    @property
    def lanes(self) -> int:
        """See Engine."""
        return self._lanes.count

    def predict(self, rows: Sequence[NetworkRow], slots: SlotPool) -> list[np.ndarray]:
        """See Engine. Rows of very different lengths are computed in several calls."""
        shares = shares_of([row.fixed.tokens for row in rows], self.lanes)
        session = self._session if len(shares) == 1 else self._single
        found: list[np.ndarray | None] = [None] * len(rows)
        work = [[self._call(session, rows, places, slots) for places in share] for share in shares]
        with self._turns.taken():
            self._lanes.run_all(_run, work)
        for call in (call for calls in work for call in calls):
            (output,) = call.binding.copy_outputs_to_cpu()
            computed = self._form.velocities(output, [rows[place] for place in call.places])
            for place, velocity in zip(call.places, computed, strict=True):
                found[place] = velocity
        return [velocity for velocity in found if velocity is not None]

    def _call(
        self,
        session: onnxruntime.InferenceSession,
        rows: Sequence[NetworkRow],
        places: Sequence[int],
        slots: SlotPool,
    ) -> Call:
        """A call for the rows at these places."""
        chosen = [rows[place] for place in places]
        feeds = self._form.feeds(chosen) | {"lora_slot": np.array([row.slot for row in chosen], np.int64)}
        binding = session.io_binding()
        bind_arrays(binding, session, feeds)
        for name, value in self._slots_on_device(slots).items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(session.get_outputs()[0].name, "cpu")
        return Call(session, binding, places)

    def _slots_on_device(self, slots: SlotPool) -> dict[str, object]:
        if self._slots != (slots, slots.changes):
            self._on_device = {
                "lora_down": self._device.put(slots.down),
                "lora_up": self._device.put(slots.up),
            }
            self._slots = slots, slots.changes
        return self._on_device


def _run(calls: Sequence[Call]) -> None:
    """Compute the calls of one lane."""
    for call in calls:
        call.session.run_with_iobinding(call.binding)


def shares_of(tokens: Sequence[int], lanes: int) -> list[list[list[int]]]:
    """For each lane its calls, as places of rows; one share, for calls on all cores, where lanes would wait.

    Each lane gets rows of similar length, and as many tokens as the others as far as whole rows allow.
    """
    order, total = sorted(range(len(tokens)), key=tokens.__getitem__), sum(tokens)
    shares: list[list[int]] = [[] for _ in range(lanes)]
    before = 0
    for place in order:
        middle = before + tokens[place] / 2
        shares[min(int(middle * lanes / total), lanes - 1)].append(place)
        before += tokens[place]
    longest = max(sum(tokens[place] for place in share) for share in shares)
    if longest * lanes > MOST_UNEVEN * total:
        shares = [order]
    return [_calls_of(tokens, share) for share in shares]


def _calls_of(tokens: Sequence[int], places: Sequence[int]) -> list[list[int]]:
    """The places of the rows of each call: sorted by length, so that little of a call is padding.

    Memory and time grow with a call's tokens, which MOST_TOKENS limits, except for a single row.
    """
    calls: list[list[int]] = []
    for place in sorted(places, key=lambda place: tokens[place]):
        length = tokens[place]  # of every row of the call, since it is the longest so far
        if (
            not calls
            or length > MOST_FILL * tokens[calls[-1][0]]
            or length * (len(calls[-1]) + 1) > MOST_TOKENS
        ):
            calls.append([])
        calls[-1].append(place)
    return calls


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Rows (n, …) of different lengths as one array, each filled up with zeros to the longest."""
    longest = max(len(part) for part in parts)
    return np.stack([lengthened(part, longest) for part in parts])


def valid(lengths: Sequence[int]) -> np.ndarray:
    """(R, longest) bool: True for the tokens of a row, False for what fills it up."""
    return np.arange(max(lengths)) < np.array(lengths)[:, None]


def lengthened(tokens: np.ndarray, length: int) -> np.ndarray:
    """The tokens, and zeros up to `length`."""
    missing = np.zeros((length - len(tokens), *tokens.shape[1:]), tokens.dtype)
    return np.concatenate([tokens, missing])
