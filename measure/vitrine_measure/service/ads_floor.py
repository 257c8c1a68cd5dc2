"""The floor of pictures from prompts: the same calls of the same networks, in one process, and nothing else.

A picture is its steps of the transformer and one call of the decoder. Its prompt's features are given, as a
server has them in its cache.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import onnxruntime
from vitrine_orchestrator.adapters.programs import open_program
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.manifest import read_manifests
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import NETWORK_FILE
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.wire.arrays import Arrays

ROWS = (1, 2, 4, 8)
TRIES = 3  # the best of so many measurements chooses the rows of calls


class PictureFloor:
    """The transformer with its adapters, and the decoder."""

    def __init__(self, repository: Path, loras: Path | None, jobs: Sequence[Arrays]) -> None:
        """`jobs` are inputs of `denoise`, as the pipeline sends them."""
        folder = repository / "denoise" / "1"
        manifest = read_manifests(folder)[FAMILY]
        self._program: Program = open_program(folder, manifest, Settings(lora_folder=loras))
        self._given = jobs
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = repository / "z_image_vae_decoder" / "1" / NETWORK_FILE
        self._decoder = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def one(self, place: int) -> float:
        """Return the seconds of a job's picture alone: all steps, then the decoder."""
        return self._seconds([place])

    def rate(self, seconds: float) -> float:
        """Return the pictures per second with the best calls, over about `seconds`."""
        spent, pictures = 0.0, 0
        while spent < seconds:
            spent += self._all(self.best)
            pictures += len(self._given)
        return pictures / spent

    @cached_property
    def best(self) -> int:
        """The rows of a call with the least time for all pictures, of those that divide their number."""
        counts = [rows for rows in ROWS if len(self._given) % rows == 0]
        least = {rows: min(self._all(rows) for _ in range(TRIES)) for rows in counts}
        return min(least, key=least.__getitem__)

    def _all(self, rows: int) -> float:
        count = len(self._given)
        return sum(self._seconds(range(first, first + rows)) for first in range(0, count, rows))

    def _seconds(self, places: Sequence[int]) -> float:
        jobs = [self._started(place) for place in places]
        self._program.join(jobs)
        start = time.perf_counter()
        for _ in range(max(job.steps for job in jobs)):
            self._program.predict(jobs)
        for job in jobs:
            self._decoder.run(None, {"latents": job.latents[None]})
        spent = time.perf_counter() - start
        for job in jobs:
            self._program.leave(job)
        return spent

    def _started(self, place: int) -> Job:
        job = Job(self._program.read(self._given[place]), str(place), submitted=0.0)
        job.start(0.0)
        return job
