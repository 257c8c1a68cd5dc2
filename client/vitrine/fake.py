"""Transports that answer without a server, for tests of applications and of this project.

vitrine = Vitrine(transport=FakeTransport())
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from vitrine import fake_ads, fake_answers, fake_product_ads
from vitrine.cancellation import Cancellation
from vitrine.errors import Cancelled, NotFound, VitrineError
from vitrine.fake_answers import FAKE_DIGEST, RELEASE
from vitrine.fake_rules import check_numbers
from vitrine.statuses import ModelStatus
from vitrine.tensors import Tensors, byte_tensor

__all__ = ["FAKE_DIGEST", "AsyncFakeTransport", "Call", "FakeTransport"]


@dataclass(frozen=True)
class Call:
    """One request that the fake received."""

    model: str
    inputs: Tensors
    timeout_s: float
    version: str = ""


class FakeTransport:
    """Answers without a server.

    A try-on is the person's picture with the garment pasted on its middle, tinted by the seed; a picture from
    a prompt has one colour, which the seed sets. The limits, names and formats of requests are the server's.

    The first requests raise `failures`, one each. `calls` lists all requests.
    """

    def __init__(self, *, failures: Sequence[VitrineError] = ()) -> None:
        self.failures = list(failures)
        self.calls: list[Call] = []
        self.closed = False
        self.streams_cancelled = 0

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        timeout_s: float,
        version: str = "",
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """See Transport."""
        if cancellation is not None and cancellation.cancelled:
            raise Cancelled("the request was cancelled")
        self._receive(model, inputs, timeout_s, version)
        return _answer(model, inputs)

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """See Transport."""
        self._receive(model, inputs, timeout_s, version)
        ended = False
        try:
            yield from _events(_answer(_STREAMS.get(model, model), inputs), inputs)
            ended = True
        finally:
            self.streams_cancelled += not ended

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See Transport."""
        self._receive("models", {}, timeout_s)
        return tuple(ModelStatus(name, RELEASE, "READY", "") for name in sorted([*_ANSWERS, *_STREAMS]))

    def close(self) -> None:
        """See Transport."""
        self.closed = True

    def _receive(self, model: str, inputs: Tensors, timeout_s: float, version: str = "") -> None:
        self.calls.append(Call(model, dict(inputs), timeout_s, version))
        if self.failures:
            raise self.failures.pop(0)
        if version not in ("", RELEASE):
            raise NotFound(f"Request for unknown model: '{model}' version {version} is not found")


class AsyncFakeTransport:
    """FakeTransport for asyncio; `fake` holds the calls and failures."""

    def __init__(self, fake: FakeTransport | None = None) -> None:
        self.fake = fake or FakeTransport()

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport."""
        await asyncio.sleep(0)
        return self.fake.infer(model, inputs, timeout_s=timeout_s, version=version)

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """See AsyncTransport."""
        answers = self.fake.stream(model, inputs, timeout_s=timeout_s, version=version)
        try:
            for outputs in answers:
                yield outputs
        finally:
            answers.close()

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        return self.fake.models(timeout_s=timeout_s)

    async def close(self) -> None:
        """See AsyncTransport."""
        self.fake.close()


def _answer(model: str, inputs: Tensors) -> dict[str, np.ndarray]:
    """Return a model's answer; raises NotFound, and BadRequest for what the server refuses."""
    if model not in _ANSWERS:
        raise NotFound(f"Request for unknown model: '{model}' is not found")
    check_numbers(inputs)
    return _ANSWERS[model](inputs)


def _events(result: dict[str, np.ndarray], inputs: Tensors) -> Generator[dict[str, np.ndarray], None, None]:
    """Yield an event for each step of a finished result, then the result."""
    steps = json.loads(result["report"][0])["steps"]
    previews = bool(inputs["previews"][0]) if "previews" in inputs else False
    for step in range(1, steps + 1):
        event = {"kind": "progress", "step": step, "steps": steps, "elapsed_s": 0.0, "left_s": 0.0}
        outputs = {"event": byte_tensor([json.dumps(event).encode()])}
        yield outputs | {"image": result["image"][:1]} if previews else outputs
    yield result | {"event": byte_tensor([json.dumps({"kind": "result"}).encode()])}


_ANSWERS: dict[str, Callable[[Tensors], dict[str, np.ndarray]]] = {
    "try_on": fake_answers.try_on,
    "text_to_image": fake_answers.draw,
    "image_to_image": fake_answers.draw,
    "score": fake_answers.score,
    "cut_out": fake_answers.cut_out,
    "prepare_ad_prompt": fake_ads.ad_prompt,
    "run_workflow": fake_ads.workflow,
    "compose": fake_product_ads.compose,
    "product_ad": lambda inputs: fake_product_ads.product_ad(inputs, FAKE_DIGEST),
    "text_overlay": fake_answers.text_overlay,
    "prepare_person": fake_answers.prepare("person", "person"),
    "prepare_garment": fake_answers.prepare("garment", "garment"),
    "prepare_text": fake_answers.prepare("text", "description"),
    "prepare_prompt": fake_answers.prepare("prompt", "prompt"),
    "cache_control": fake_answers.cache_control,
}
_STREAMS = {
    "try_on_stream": "try_on",
    "picture_stream": "text_to_image",
    "product_ad_stream": "product_ad",
    "workflow_stream": "run_workflow",
}
"""By streaming model, the model whose answer ends its stream."""
