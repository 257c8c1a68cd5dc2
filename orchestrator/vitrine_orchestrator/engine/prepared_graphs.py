"""Keeps networks as ONNX Runtime runs them on the CPU, so that they open faster the next time.

ONNX Runtime optimises a graph whenever it opens it, which takes most of that time: docs/residency.md has
figures. The result depends on the file, on ONNX Runtime's version and on the processor; so does the name
under which it is kept. A kept graph has the same kernels and gives the same answers.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime import GraphOptimizationLevel, SessionOptions

from vitrine_orchestrator.settings import Settings

LARGEST = 512 * 2**20  # bytes of a network that is kept; a file of this format can have 2 GiB
KEPT = 2 * 2**30  # bytes of all that are kept in a folder
SUFFIX = ".ort"
CPU = "CPUExecutionProvider"
ERRORS = 3  # severity: ONNX Runtime warns that a prepared graph depends on the processor

logger = logging.getLogger(__name__)


class PreparedGraphs:
    """A folder of prepared graphs, which processes and servers may share."""

    def __init__(self, folder: Path, kept_bytes: int = KEPT) -> None:
        """The folder is made when something is kept; beyond `kept_bytes` the longest unused graphs go."""
        self._folder, self._kept_bytes = folder, kept_bytes

    def open(
        self, path: Path, options: SessionOptions, providers: Sequence[Any]
    ) -> onnxruntime.InferenceSession:
        """A session of a network, as InferenceSession opens it. A folder that fails is logged, and not used.

        options: changed by this call.
        """
        if not _is_kept(path, providers):
            return onnxruntime.InferenceSession(path, options, providers=list(providers))
        kept = self._folder / f"{_digest(path)}{SUFFIX}"
        usual = options.graph_optimization_level
        try:
            os.utime(kept)
            options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
            return onnxruntime.InferenceSession(kept, options, providers=list(providers))
        except FileNotFoundError:
            pass
        except Exception as error:  # onnxruntime has no class of its own for a file that it cannot read
            logger.warning("a prepared graph of %s cannot be opened: %s", path.name, error)
        options.graph_optimization_level = usual
        return self._prepare(path, kept, options, providers)

    def _prepare(
        self, path: Path, kept: Path, options: SessionOptions, providers: Sequence[Any]
    ) -> onnxruntime.InferenceSession:
        """Open the network itself, and keep what becomes of it."""
        draft = kept.with_name(f"{kept.stem}.{os.getpid()}{SUFFIX}")
        severity, options.log_severity_level = options.log_severity_level, ERRORS
        options.optimized_model_filepath = str(draft)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            session = onnxruntime.InferenceSession(path, options, providers=list(providers))
            draft.replace(kept)
        except Exception as error:
            logger.warning("%s is not kept as a prepared graph: %s", path.name, error)
            with suppress(OSError):
                draft.unlink()
            options.optimized_model_filepath = ""
            options.log_severity_level = severity
            return onnxruntime.InferenceSession(path, options, providers=list(providers))
        self._prune()
        return session

    def _prune(self) -> None:
        """Delete what was unused for longest, beyond the limit."""
        with suppress(OSError):  # another process deletes too
            found = [(path.stat(), path) for path in self._folder.glob(f"*{SUFFIX}")]
            left = self._kept_bytes
            for about, path in sorted(found, key=lambda one: -one[0].st_mtime):
                left -= about.st_size
                if left < 0:
                    path.unlink()


class NoPreparedGraphs:
    """Keeps nothing: every network is optimised each time that it is opened."""

    def open(
        self, path: Path, options: SessionOptions, providers: Sequence[Any]
    ) -> onnxruntime.InferenceSession:
        """See PreparedGraphs."""
        return onnxruntime.InferenceSession(path, options, providers=list(providers))


def _is_kept(path: Path, providers: Sequence[Any]) -> bool:
    """Whether a network runs on the CPU alone, and has all its weights in a file that is not too large."""
    names = [one if isinstance(one, str) else one[0] for one in providers]
    whole = not path.with_name(f"{path.name}.data").exists()
    return names == [CPU] and whole and path.stat().st_size <= LARGEST


def _digest(path: Path) -> str:
    """Hexadecimal SHA-256 of all that a prepared graph depends on."""
    hashed = hashlib.sha256(f"{onnxruntime.__version__}\n{_processor()}\n".encode())
    with path.open("rb") as file:
        hashed.update(hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()


@cache
def _processor() -> str:
    """The kind of processor and its instructions, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def open_prepared_graphs(
    environment: Mapping[str, str] = os.environ,
) -> PreparedGraphs | NoPreparedGraphs:
    """The prepared graphs of a deployment: none without VITRINE_GRAPH_FOLDER."""
    folder = Settings.from_environment(environment).graph_folder
    return NoPreparedGraphs() if folder is None else PreparedGraphs(folder)
