"""The floor of pictures from prompts: the same calls of the same networks, in one process, and nothing else.

A picture is its steps of the transformer and one call of the decoder. Its prompt's features are given, as a
server has them in its cache.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from vitrine_orchestrator.adapters.programs import open_program
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.program import Program
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.manifest import read_manifests
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import NETWORK_FILE
from vitrine_orchestrator.stages.z_image import FAMILY

ROWS = (1, 2, 4, 8)  # of a call; the fewest seconds for each row count
TRIES = 3


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

    def seconds(self, places: Sequence[int]) -> float:
        """The seconds of these jobs' pictures: all steps, every row in each call, then the decoder."""
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

    def one(self) -> float:
        """The mean seconds of a picture alone."""
        return float(np.mean([min(self.seconds([place]) for _ in range(TRIES)) for place in self._all]))

    def rate(self) -> float:
        """Pictures a second with the rows of a call that give the most."""
        return max(len(self._all) / self._spent(rows) for rows in self.rows)

    @property
    def rows(self) -> list[int]:
        """The rows of a call that are tried."""
        return [rows for rows in ROWS if len(self._all) % rows == 0]

    @cached_property
    def _all(self) -> range:
        return range(len(self._given))

    def _spent(self, rows: int) -> float:
        calls = [self._all[first : first + rows] for first in range(0, len(self._all), rows)]
        return min(sum(self.seconds(call) for call in calls) for _ in range(TRIES))

    def _started(self, place: int) -> Job:
        job = Job(self._program.read(self._given[place]), str(place), submitted=0.0)
        job.start(0.0)
        return job
