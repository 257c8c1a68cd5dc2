"""Triton's adapter of `denoise`."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.denoise import serve_denoise


class TritonPythonModel:
    """Accepts requests without waiting, and answers each when its job ends."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the programs of this version's folder and start the loop."""
        self.service = serve_denoise(args, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Start the requests; their responses are sent later."""
        self.service.execute(requests)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Finish the jobs in flight."""
        self.service.close()
