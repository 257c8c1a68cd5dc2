"""Calls of one model that come within a moment, as a pipeline's job and the question for its progress do."""

import asyncio
import time

import numpy as np
import pytest
from small_servers import posted
from vitrine import AsyncVitrine, NotFound

ROUNDS, CALLS, APART_S = 60, 3, 0.0003
TIMER_S = 0.5  # after which Triton looks at a queue that nobody has told it of


def test_calls_that_come_together_wait_for_no_timer(triton):
    """A call that comes while another one is handed on is handed on too; in a limited queue 1 in 10 is not.

    A busy machine can delay a few calls as long, not one in fifty.
    """

    async def seconds() -> list[float]:
        async with AsyncVitrine(triton.grpc, timeout_s=60) as vitrine:

            async def cancel_nothing(after_s: float) -> float:
                await asyncio.sleep(after_s)
                begun = time.perf_counter()
                with pytest.raises(NotFound, match="no job in flight is named 'nothing'"):
                    await vitrine.infer(
                        "denoise", {"job": np.array([b"nothing"], object), "cancel": np.array([True])}
                    )
                return time.perf_counter() - begun

            took = []
            for _ in range(ROUNDS):
                took += await asyncio.gather(*(cancel_nothing(APART_S * place) for place in range(CALLS)))
                await asyncio.sleep(0.02)
            return took

    waited = [one for one in asyncio.run(seconds()) if one > 0.9 * TIMER_S]
    assert len(waited) <= ROUNDS * CALLS / 50, waited


def test_a_request_that_waits_in_a_model_is_refused_after_its_own_time(triton, person):
    """Requests at a model with few places all get their answers, except for one that wants none so late."""
    asked = {
        "inputs": [
            {"name": "image", "datatype": "BYTES", "shape": [1], "data": [""]},
            {"name": "texts", "datatype": "BYTES", "shape": [1], "data": [""]},
        ],
        "parameters": {"timeout": 1},  # microseconds
    }

    async def go() -> tuple[list[object], tuple[int, dict[str, str]]]:
        async with AsyncVitrine(triton.grpc, timeout_s=120) as vitrine:
            overlays = [asyncio.create_task(vitrine.text_overlay(person, f"No {n}")) for n in range(16)]
            await asyncio.sleep(0.1)
            return await asyncio.gather(
                asyncio.gather(*overlays), asyncio.to_thread(posted, triton, "text_overlay/infer", asked)
            )

    made, (status, answer) = asyncio.run(go())
    assert len(made) == 16
    assert status == 503
    assert "busy: the request waited for text_overlay for 1e-06 s" in answer["error"]
