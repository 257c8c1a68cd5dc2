"""Sends the last response of a request through the shared memory of Triton's Python backend.

Triton counts a response as sent even if it did not fit into shared memory; its caller then waits for ever.
So the free memory is checked first, and a response that does not fit is replaced by an error, which is small.
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

MARGIN = 2**16  # bytes that a response needs in addition to its tensors
GROWTH = 2**20  # bytes by which Triton enlarges a process's shared memory region
ROOM_TIMEOUT_S, POLL_S = 20.0, 0.05  # an error that still does not fit after this long is sent anyway

logger = logging.getLogger(__name__)


def read_failure(error: BaseException) -> VitrineError:
    """The error for an exception of Triton's Python backend: Busy if /dev/shm is full, else internal."""
    if FULL in str(error):
        return memory_full()
    return VitrineError("internal error; the server's log says more")


def memory_full() -> Busy:
    """The error of a request that does not fit into shared memory."""
    return Busy("the server's shared memory (/dev/shm) is full: send fewer or smaller requests at a time")


def send_last(
    pb_utils: Any, sender: Any, answer: Mapping[str, np.ndarray] | VitrineError
) -> VitrineError | None:
    """Send the last response of a request. Returns the error that was sent, or None for outputs.

    Never raises.
    """
    if not isinstance(answer, VitrineError):
        if has_room(pb_utils, size(answer)):
            _send(pb_utils, sender, outputs_response(pb_utils, answer))
            return None
        logger.error("no room in shared memory for an answer of %d bytes", size(answer))
        answer = memory_full()
    send_error(pb_utils, sender, error_response(pb_utils, answer))
    return answer


def send_error(pb_utils: Any, sender: Any, response: Any) -> None:
    """Send a response with an error as the last one of a request. Never raises."""
    if has_room(pb_utils, 0):
        _send(pb_utils, sender, response)
    else:  # other requests of this process go on meanwhile, and free memory
        threading.Thread(target=_send_later, args=[pb_utils, sender, response], daemon=True).start()


def has_room(pb_utils: Any, wanted: int) -> bool:
    """Whether a response with `wanted` bytes of tensors fits into shared memory.

    Free memory of the region is counted half, because it may be fragmented.
    """
    needed = wanted + MARGIN
    memory = getattr(pb_utils, "shared_memory", None)  # the region of this process
    if memory is None or free_bytes() >= needed + GROWTH:
        return True
    return memory.free_memory() >= 2 * needed


def size(outputs: Mapping[str, np.ndarray]) -> int:
    """The bytes of the outputs in shared memory; each BYTES value is preceded by 4 bytes of length."""
    return sum(
        sum(len(value) + 4 for value in array.reshape(-1)) if array.dtype == np.object_ else array.nbytes
        for array in outputs.values()
    )


def outputs_response(pb_utils: Any, outputs: Mapping[str, np.ndarray]) -> Any:
    """The Triton response with these outputs."""
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items()]
    )


def error_response(pb_utils: Any, error: VitrineError) -> Any:
    """The Triton response with this error."""
    code, text = to_wire(error)
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, getattr(pb_utils.TritonError, code)))


def _send(pb_utils: Any, sender: Any, response: Any) -> None:
    try:
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    except Exception:
        logger.exception("a response could not be sent")


def _send_later(pb_utils: Any, sender: Any, response: Any) -> None:
    give_up = time.monotonic() + ROOM_TIMEOUT_S
    while not has_room(pb_utils, 0) and time.monotonic() < give_up:
        time.sleep(POLL_S)
    _send(pb_utils, sender, response)
