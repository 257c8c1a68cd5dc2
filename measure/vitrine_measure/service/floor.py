"""The floor of the bench: only the engine and the decoder, in a loop with prepared inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from vitrine_export.job_inputs import JobInputs, Widths, draw_job_inputs
from vitrine_orchestrator.cores.row_split import Lanes, cores
from vitrine_orchestrator.engine.onnx_device import cpu
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages import NETWORK_FILE
from vitrine_orchestrator.try_on.engine import load_engine
from vitrine_orchestrator.try_on.engine.onnx_engine import OnnxEngine
from vitrine_orchestrator.try_on.facts import FAMILY, read_facts

TRIES = 3  # the best of so many measurements chooses the sizes of calls
ROWS = (1, 2, 3, 4, 6, 8)
DECODED = (1, 2, 4)


@dataclass(frozen=True)
class Setting:
    """How cores are used: as in serving, or all rows in one call on a number of threads."""

    # Threads of one call, 0 for one per core. None: as in serving, with the rows split over lanes.
    threads: int | None = None
    spinning: bool = False

    @property
    def description(self) -> str:
        """The setting in words."""
        if self.threads is None:
            return "a lane for each core"
        threads = f"one call on {self.threads or 'all'} thread{'s' * (self.threads != 1)}"
        return f"{threads}, spinning" if self.spinning else threads


SERVED = Setting()


class Floor:
    """One checkpoint's denoising networks and decoder in this process, on random inputs of its sizes."""

    def __init__(self, repository: Path, setting: Setting = SERVED) -> None:
        folder = repository / "denoise" / "1"
        self.facts = read_facts(read_manifest(folder, FAMILY))
        served = setting.threads is None
        self.engine: Any = (
            load_engine(folder) if served else OnnxEngine(folder, cpu(setting.threads or 0, setting.spinning))
        )
        self._decoder = _decoder(repository, setting.threads or 0, setting.spinning)
        self._lanes = Lanes(cores() if served else 1)
        self._lane = _decoder(repository, 1, spinning=False) if served else self._decoder

    def steps(self, rows: int, steps: int) -> float:
        """Return the seconds of `steps` denoising calls of `rows` rows."""
        drawn = self._drawn(rows)
        latents, times = drawn.latents, np.linspace(950, 1, steps, dtype=np.float32)
        conditioning = self.engine.conditioning(drawn.conditioning)
        garments: Sequence[DeviceRow] = self.engine.garment(
            drawn.garment_latents, np.full(rows, 500, np.float32), drawn.garment_prompt
        )
        batch: Any = self.engine.batch(conditioning, np.full(rows, self.facts.default_guidance, np.float32))
        self.engine.predict(batch, latents, np.full(rows, times[0]), garments)
        return _seconds(
            lambda: [self.engine.predict(batch, latents, np.full(rows, at), garments) for at in times]
        )

    def decode(self, rows: int) -> float:
        """Return the seconds to decode `rows` latents, split over the cores as the server does."""
        latents = self._drawn(rows).latents

        def share(part: slice) -> object:
            return session.run(None, {"latents": latents[part]})

        shares = self._lanes.shares(rows)
        session = self._lane if len(shares) > 1 else self._decoder
        return _seconds(lambda: self._lanes.run_all(share, shares))

    @cached_property
    def best(self) -> tuple[int, int]:
        """The rows of a denoising and of a decoding call with the least time per row."""
        denoise = {rows: min(self.steps(rows, 3) / rows for _ in range(TRIES)) for rows in ROWS}
        decode = {rows: min(self.decode(rows) / rows for _ in range(TRIES)) for rows in DECODED}
        return min(denoise, key=denoise.__getitem__), min(decode, key=decode.__getitem__)

    def rate(self, steps: int, seconds: float) -> float:
        """Return the throughput in pictures per second with the best calls, over about `seconds`."""
        rows, decoded = self.best
        spent, pictures = 0.0, 0
        while spent < seconds:
            spent += self.steps(rows, steps) + self.decode(decoded) * rows / decoded
            pictures += rows
        return pictures / spent

    def one(self, steps: int) -> float:
        """Return the seconds of one picture."""
        return self.steps(1, steps) + self.decode(1)

    def _drawn(self, rows: int) -> JobInputs:
        facts = self.facts
        widths = Widths(facts.channels, facts.context_width, facts.pooled_width, facts.image_tokens)
        sides = facts.height // facts.factor, facts.width // facts.factor
        return draw_job_inputs(rows, sides, widths, seed=0)


def _decoder(repository: Path, threads: int, spinning: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    path = repository / "vae_decoder" / "1" / NETWORK_FILE
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
