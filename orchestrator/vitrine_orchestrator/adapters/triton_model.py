"""The class that Triton's Python backend looks for in a model.py, around a Service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vitrine_orchestrator.adapters.service import Service

Serve = Callable[[Mapping[str, str], Any], Service]
"""Starts a model's service, from what `initialize` is given and triton_python_backend_utils."""


def triton_model(serve: Serve, pb_utils: Any) -> type:
    """The class `TritonPythonModel` of a model, decoupled or not."""

    class TritonPythonModel:
        """Accepts requests without waiting; their responses are sent later."""

        def initialize(self, args: dict[str, str]) -> None:
            """Open the model and start the loop."""
            policy = json.loads(args["model_config"]).get("model_transaction_policy", {})
            self.decoupled = bool(policy.get("decoupled"))
            self.service = serve(args, pb_utils)

        def execute(self, requests: Sequence[Any]) -> list[None] | None:
            """Start the requests. Triton takes no list from a decoupled model."""
            self.service.execute(requests)
            return None if self.decoupled else [None] * len(requests)

        def finalize(self) -> None:
            """Finish the requests in flight and stop the loop."""
            self.service.close()

    return TritonPythonModel
