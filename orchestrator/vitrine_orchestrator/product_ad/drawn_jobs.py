"""Calls a picture pipeline for one picture; its job is followed, and cancelled with the request."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import numpy as np
from vitrine.errors import NotFound, VitrineError

from vitrine_orchestrator.pipeline.request_context import read_report, text_array
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.wire.arrays import Arrays

AGAIN_S = 0.2  # between questions about a job that may not have begun
GIVE_UP_S = 60.0  # after it, a cancelled picture is left to finish

OnShare = Callable[[float], None]
"""Told the share of the steps that are done."""


async def drawn(
    stages: Stages, pipeline: str, inputs: Arrays, on_share: OnShare | None = None
) -> dict[str, np.ndarray]:
    """The outputs of `text_to_image` or `image_to_image` for one picture.

    `denoise` is asked for progress and told of a cancellation in its newest version. While an older one still
    serves, during a deployment, there is no progress, and a cancelled picture is finished for nothing.
    """
    name = uuid.uuid4().hex
    job = text_array(f"{name}-0")
    call = asyncio.ensure_future(stages(pipeline, {**inputs, "job": text_array(name)}))
    following = asyncio.ensure_future(_followed(stages, job, on_share))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.shield(_stopped(stages, job, call))
        raise
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _followed(stages: Stages, job: np.ndarray, on_share: OnShare | None) -> None:
    """Tell the steps of a job until it ends; nothing without a listener."""
    step, state = 0, "waiting" if on_share else "none"
    while on_share and state in ("waiting", "running"):
        try:
            poll = {"job": job, "after_step": np.array([step], np.int32)}
            report = read_report(await stages("denoise", poll))
        except NotFound:  # the prompt is still being read
            await asyncio.sleep(AGAIN_S)
            continue
        except VitrineError:
            return
        step, state = report["step"], report["state"]
        on_share(step / max(report["steps"], 1))


async def _stopped(stages: Stages, job: np.ndarray, call: asyncio.Future[dict[str, np.ndarray]]) -> None:
    """Cancel the job until the call has ended: a job that has not begun yet cannot be cancelled."""
    loop = asyncio.get_running_loop()
    end = loop.time() + GIVE_UP_S
    while not call.done() and loop.time() < end:
        try:
            await stages("denoise", {"job": job, "cancel": np.array([True])})
        except VitrineError:
            break
        await asyncio.wait([call], timeout=AGAIN_S)
    if call.done() and not call.cancelled():
        call.exception()  # its error is of no interest any more
