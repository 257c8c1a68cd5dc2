"""Triton's adapter of `text_to_image`."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.model import serve_pipeline


class TritonPythonModel:
    """Accepts requests without waiting; each one runs through the pipeline."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the manifest and start the loop."""
        self.service = serve_pipeline(args, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Start the requests; their responses are sent later."""
        self.service.execute(requests)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Stop the loop."""
        self.service.close()
