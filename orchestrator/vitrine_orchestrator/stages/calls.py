"""Calls stages: one protocol, implemented by Triton, by ONNX Runtime in this process, and by a fake."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from vitrine.errors import Unavailable, VitrineError

from vitrine_orchestrator.manifest import versions
from vitrine_orchestrator.stages import NETWORK_FILE, stage
from vitrine_orchestrator.stages.finite_check import check_finite
from vitrine_orchestrator.wire.arrays import Arrays


class Stages(Protocol):
    """Runs a stage by its name in the stage table."""

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """The stage's outputs, host arrays that the caller owns; a network's have the batch dimension first.

        Raises a VitrineError: the stage's own, Busy, Unavailable, or StageFailed with the stage's name.
        """
        ...


class OnnxStages:
    """Runs the network stages of a model repository in this process; each is opened at its first call."""

    def __init__(
        self, repository: Path, threads: int = 0, version_of: Callable[[str], int] | None = None
    ) -> None:
        """`threads` of one call; 0: one for each core. `version_of` a stage; None: the highest version."""
        self.repository, self.threads, self.version_of = repository, threads, version_of
        self._sessions: dict[str, object] = {}

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run a network."""
        return await asyncio.to_thread(self._run, name, inputs)

    def _run(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        outputs = [tensor.name for tensor in stage(name).outputs]
        return dict(zip(outputs, self._session(name).run(outputs, dict(inputs)), strict=True))

    def _session(self, name: str):  # noqa: ANN202 - onnxruntime is imported only where it is needed
        import onnxruntime

        if name not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            self._sessions[name] = onnxruntime.InferenceSession(
                self._file(name), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]

    def _file(self, name: str) -> Path:
        found = versions(self.repository, name)
        version = self.version_of(name) if self.version_of else max(found, default=1)
        path = self.repository / name / str(version) / NETWORK_FILE
        if not path.exists():
            raise Unavailable(f"{name}/{version} has no {NETWORK_FILE} in {self.repository}: run make export")
        return path


Answer = Callable[[Arrays], Mapping[str, np.ndarray]]


class FakeStages:
    """Stages whose outputs are functions of the inputs; `calls` records all calls in order."""

    def __init__(self, **answers: Answer | VitrineError) -> None:
        self.answers = answers
        self.calls: list[tuple[str, Arrays]] = []

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """The outputs of the stage's function; raises the error when it is one."""
        self.calls.append((name, inputs))
        answer = self.answers[name]
        if isinstance(answer, VitrineError):
            raise answer
        await asyncio.sleep(0)  # let other tasks run, as a real stage does
        return dict(answer(inputs))


class Timed:
    """Stages that sum the seconds of each stage, and raise StageFailed for outputs that are not finite.

    `seconds` also holds the seconds of `measured` blocks.
    """

    def __init__(self, stages: Stages) -> None:
        self.stages = stages
        self.seconds: dict[str, float] = defaultdict(float)

    async def __call__(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run the stage and count its time, even when it fails. StageFailed for NaN or infinity."""
        with self.measured(name):
            outputs = await self.stages(name, inputs)
            check_finite(name, outputs)
            return outputs

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the block's seconds to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    def rounded(self) -> dict[str, float]:
        """Seconds by name, to the microsecond."""
        return {name: round(seconds, 6) for name, seconds in self.seconds.items()}
