"""Triton's adapter of `cache_control`."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.control import serve_control


class TritonPythonModel:
    """Statistics and invalidation of the caches of every model on the server."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the shared tiers and start the loop."""
        self.service = serve_control(args, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Start the requests; their responses are sent later."""
        self.service.execute(requests)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Stop the loop."""
        self.service.close()
