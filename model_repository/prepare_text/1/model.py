"""Triton's adapter of `prepare_text`."""

from collections.abc import Sequence
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.model import open_model
from vitrine_orchestrator.adapters.service import Outputs, Send
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.try_on.facts import read_facts
from vitrine_orchestrator.try_on.prepare_text import prepare_text, read_tokenizers


class TritonPythonModel:
    """Accepts requests without waiting; each one runs through the pipeline."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read manifest and tokenizers and start the loop."""
        self.model = open_model(args, caches="values")
        self.tokenizers = read_tokenizers(self.model.folder, read_facts(self.model.manifest))
        self.service = self.model.serve(pb_utils, self.answer)

    async def answer(self, stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        """The outputs of one request."""
        return await prepare_text(self.model.context(stages), self.tokenizers, inputs)

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Start the requests; their responses are sent later."""
        self.service.execute(requests)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Stop the loop."""
        self.service.close()
