"""Triton's adapter of `denoise`."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.denoise import serve_denoise


class TritonPythonModel:
    """Takes requests at once and answers each when its job is over."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the programs that this version's folder holds."""
        self.service = serve_denoise(args, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Hand the requests over; their responses follow."""
        self.service.execute(requests)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Finish the jobs in flight."""
        self.service.close()
