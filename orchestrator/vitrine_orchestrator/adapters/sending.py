"""The last response of a request. Triton's Python backend passes it through shared memory, which may be full.

A response that finds no room there cannot be sent again: Triton counts it as sent, and its caller waits for
ever. So we look for room first, and send an error, which needs next to none, where there is not enough.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from vitrine.errors import Busy, VitrineError, to_wire

from vitrine_orchestrator.shared_memory import FULL, free_bytes

MARGIN = 2**16  # of a response around its tensors, in bytes
GROWTH = 2**20  # by which a process's part of shared memory grows
PATIENCE_S, POLL_S = 20.0, 0.05  # for the room that an error needs

logger = logging.getLogger(__name__)


def read_failure(error: BaseException) -> VitrineError:
    """What an exception out of Triton's Python backend means: Busy where /dev/shm is full."""
    if FULL in str(error):
        return memory_full()
    return VitrineError("internal error; the server's log says more")


def memory_full() -> Busy:
    """The error of a request that finds no room in shared memory."""
    return Busy("the server's shared memory (/dev/shm) is full: send fewer or smaller requests at a time")


def send_last(
    pb_utils: Any, sender: Any, answer: Mapping[str, np.ndarray] | VitrineError
) -> VitrineError | None:
    """Answer a request and end it; returns the error that was sent, None for outputs. Never raises."""
    if not isinstance(answer, VitrineError):
        if has_room(pb_utils, size(answer)):
            _send(pb_utils, sender, outputs_response(pb_utils, answer))
            return None
        logger.error("no room in shared memory for an answer of %d bytes", size(answer))
        answer = memory_full()
    response = error_response(pb_utils, answer)
    if has_room(pb_utils, 0):
        _send(pb_utils, sender, response)
    else:  # others in this process go on meanwhile, and give room back
        threading.Thread(target=_send_later, args=[pb_utils, sender, response], daemon=True).start()
    return answer


def has_room(pb_utils: Any, wanted: int) -> bool:
    """Whether a response with so many bytes of tensors fits; a part in pieces counts half."""
    needed = wanted + MARGIN
    memory = getattr(pb_utils, "shared_memory", None)  # this process's part
    if memory is None or free_bytes() >= needed + GROWTH:
        return True
    return memory.free_memory() >= 2 * needed


def size(outputs: Mapping[str, np.ndarray]) -> int:
    """The bytes of the outputs in shared memory; a BYTES value has its length in front."""
    return sum(
        sum(len(value) + 4 for value in array.reshape(-1)) if array.dtype == np.object_ else array.nbytes
        for array in outputs.values()
    )


def outputs_response(pb_utils: Any, outputs: Mapping[str, np.ndarray]) -> Any:
    """A response of Triton's that carries the outputs."""
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items()]
    )


def error_response(pb_utils: Any, error: VitrineError) -> Any:
    """A response of Triton's that carries the error."""
    code, text = to_wire(error)
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, getattr(pb_utils.TritonError, code)))


def _send(pb_utils: Any, sender: Any, response: Any) -> None:
    try:
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    except Exception:
        logger.exception("a response could not be sent")


def _send_later(pb_utils: Any, sender: Any, response: Any) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not has_room(pb_utils, 0) and time.monotonic() < give_up:
        time.sleep(POLL_S)
    _send(pb_utils, sender, response)
