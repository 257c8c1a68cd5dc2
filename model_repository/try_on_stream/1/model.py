"""Triton's adapter of `try_on_stream`: decoupled, so each request has many responses."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.model import open_model
from vitrine_orchestrator.adapters.service import Outputs, Send
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.stream import try_on_stream


class TritonPythonModel:
    """Takes requests at once and answers each from its pipeline."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the manifest and start the loop."""
        self.model = open_model(args, keeps="answers")
        self.service = self.model.serve(pb_utils, self.answer)

    async def answer(self, stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        """The last response of one request; `send` takes those before it."""
        return await try_on_stream(self.model.context(stages), inputs, send)

    def execute(self, requests: Sequence[Any]) -> None:
        """Hand the requests over; their responses follow."""
        self.service.execute(requests)

    def finalize(self) -> None:
        """Stop the loop."""
        self.service.close()
