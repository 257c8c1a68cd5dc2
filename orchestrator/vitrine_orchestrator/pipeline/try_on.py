"""The models `try_on` and `try_on_stream` around a family's own run of a checked request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import numpy as np

from vitrine_orchestrator.pipeline.denoising import FollowJob, RunLog, follow_nothing
from vitrine_orchestrator.pipeline.progress import Painted, ProgressSender, Send, Streamed, event_array
from vitrine_orchestrator.pipeline.request_context import read_aside
from vitrine_orchestrator.pipeline.try_on_request import HasDefaults, TryOnRequest, read_request
from vitrine_orchestrator.stages.calls import Stages, Timed
from vitrine_orchestrator.wire.fields import Inputs


class RunContext(HasDefaults, Protocol):
    """The request context of any family of try-on networks."""

    @property
    def stages(self) -> Stages:
        """Calls stages by name."""
        ...


FamilyContext = TypeVar("FamilyContext", bound=RunContext)
Run = Callable[[FamilyContext, TryOnRequest, RunLog, FollowJob], Awaitable[dict[str, np.ndarray]]]
"""A family's work from the checked request to the outputs of `try_on`."""


async def answered(context: FamilyContext, inputs: Inputs, run: Run[FamilyContext]) -> dict[str, np.ndarray]:
    """The outputs of the model `try_on` for its inputs; BadRequest says what is wrong with them."""
    request, log = await _read(context, inputs)
    return await run(context, request, log, follow_nothing)


async def streamed(
    context: FamilyContext, inputs: Inputs, send: Send, run: Run[FamilyContext], painted: Painted
) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event.

    painted: from a job's clean latents to the preview's picture.
    """
    request, log = await _read(context, inputs)
    told = Streamed(len(request.garments), request.steps, request.previews, request.as_text)
    outputs = await run(context, request, log, ProgressSender(context.stages, told, send, painted))
    return {"event": event_array("result"), **outputs}


async def _read(context: RunContext, inputs: Inputs) -> tuple[TryOnRequest, RunLog]:
    """The checked request, and the log that its reading begins."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)
    return request, RunLog(stages)
