"""Triton's adapter of `try_on_stream`: decoupled, so each request has many responses."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.model import open_model
from vitrine_orchestrator.adapters.service import Outputs, Send
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.stream import try_on_stream


class TritonPythonModel:
    """Accepts requests without waiting; each one runs through the pipeline."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the manifest and start the loop."""
        self.model = open_model(args, caches="answers")
        self.service = self.model.serve(pb_utils, self.answer)

    async def answer(self, stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        """The last response of one request; `send` sends the earlier ones."""
        return await try_on_stream(self.model.context(stages), inputs, send)

    def execute(self, requests: Sequence[Any]) -> None:
        """Start the requests; their responses are sent later."""
        self.service.execute(requests)

    def finalize(self) -> None:
        """Stop the loop."""
        self.service.close()
