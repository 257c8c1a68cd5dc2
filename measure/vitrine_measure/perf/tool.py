"""Runs NVIDIA's perf_analyzer, the program in the wheel of tritonclient 2.50.0."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vitrine.channels import directly_here
from vitrine.errors import Unavailable, VitrineError

LIMIT_S = 600.0  # time limit of one run


class PerfFailed(VitrineError):
    """perf_analyzer failed; the error has its message."""

    word = "perf failed"


@dataclass(frozen=True)
class Tool:
    """The folder that docker/perf-tools.sh writes."""

    folder: Path

    @property
    def program(self) -> Path:
        """The path of perf_analyzer."""
        return self.folder / "bin" / "perf_analyzer"

    @property
    def libraries(self) -> tuple[Path, Path]:
        """The folders of libb64 and of CUDA's runtime, which the program loads."""
        return self.folder / "lib", self.folder / "nvidia" / "cuda_runtime" / "lib"

    def run(self, *arguments: str | Path) -> str:
        """Run the program and return its output; PerfFailed if it fails or exceeds LIMIT_S."""
        given = os.environ.get("LD_LIBRARY_PATH", "")
        paths = [*map(str, self.libraries), *filter(None, [given])]
        try:
            done = subprocess.run(
                [self.program, *arguments],
                env=directly_here(os.environ) | {"LD_LIBRARY_PATH": ":".join(paths)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PerfFailed(f"perf_analyzer was not done within {LIMIT_S:.0f} s") from error
        if done.returncode:
            raise PerfFailed(f"perf_analyzer ended with code {done.returncode}: {_complaint(done.stdout)}")
        return done.stdout


def find_tool(folder: Path | None = None) -> Tool:
    """Return the program in `folder`, or in `perf` of this environment; Unavailable with instructions."""
    tool = Tool(folder or Path(sys.prefix) / "perf")
    if not tool.program.exists():
        raise Unavailable(
            f"no perf_analyzer in {tool.folder}: run sh docker/perf-tools.sh {sys.executable} {tool.folder}"
        )
    return tool


def _complaint(printed: str) -> str:
    """Return the lines that describe the failure, or the last line."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    reasons = [line for line in lines if any(word in line.lower() for word in ("fail", "error", "unable"))]
    return "; ".join(dict.fromkeys(reasons[-3:] or lines[-1:] or ["it printed nothing"]))
