"""Loads and unloads models through Triton's model control (gRPC), and notices loads that never end.

Facts of Triton 2.51 that this is written for: an unload returns before it is done, after the requests in
flight; a load of a model whose process is killed before it is ready never returns (python_backend, pull
request 408, has the remedy in later versions); a load over HTTP stalls other HTTP requests.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
from vitrine.channels import channel_options
from vitrine.errors import Unavailable

from vitrine_orchestrator.embedded.processes import look
from vitrine_orchestrator.embedded.surroundings import triton_reason
from vitrine_orchestrator.residency.others import READY

KEY_HEADER = "triton-grpc-protocol-vitrine-admin"
LOAD_S = 900.0  # time limit of a load
UNLOAD_S = 120.0  # time limit of an unload, whose requests in flight finish first
POLL_S = 0.02  # between two looks at one process
LOOK_S = 0.25  # between two looks at all processes of the machine, which take some milliseconds
BEGIN_S = 10.0  # Triton starts a model's process within milliseconds; on a busy machine it takes longer
LOST_S = 1.0  # a load that goes on for this long after its process has died never ends
GHOST_S = 3.0  # the same after the death of a process that was not seen alive


class TritonControl:
    """Loads and unloads models of one local server; safe to use from several threads."""

    def __init__(self, address: str, key_file: Path | None, server: int, own_processes: bool = True) -> None:
        """`server` is the process id of tritonserver, whose children are watched.

        own_processes: whether every model that is loaded has a process, as in the embedded server.
        """
        self._address, self._key_file, self._server = address, key_file, server
        self._own_processes = own_processes

    def load(self, name: str) -> float | None:
        """Load a model; the seconds that it took, or None if its process was killed and Triton waits for it.

        Unavailable gives the reason of a load that failed.
        """
        start, before, ended = time.monotonic(), set(look(self._server)), threading.Event()
        failed: list[Exception] = []

        def call() -> None:
            try:
                with self._client() as client:
                    client.load_model(name, headers=self._headers(), client_timeout=LOAD_S)
            except Exception as error:
                failed.append(error)
            finally:
                ended.set()

        threading.Thread(target=call, name=f"load-{name}", daemon=True).start()
        if not self._ends(name, before, ended):
            return None
        if failed:
            raise Unavailable(_reason(failed[0])) from failed[0]
        return time.monotonic() - start

    def _ends(self, name: str, before: set[int], ended: threading.Event) -> bool:
        """Wait for the end of a load; False when its process has died and the load goes on.

        before: the children of the server before the load.
        """
        start, mine, died = time.monotonic(), set[int](), False
        while not ended.wait(LOOK_S):
            if any(_runs(pid) for pid in mine):
                continue
            after = {pid: stub for pid, stub in look(self._server).items() if pid not in before}
            mine |= {pid for pid, stub in after.items() if stub.slot and stub.slot.model == name}
            died = died or bool(mine) or any(stub.ended for stub in after.values())
            late = self._own_processes and time.monotonic() - start > BEGIN_S
            if not (died or late) or any(_runs(pid) for pid in mine):
                continue
            grace = LOST_S if mine else GHOST_S  # perhaps another model's process died
            if not ended.wait(grace) and not self._living(name) - before:
                return False
        return True

    def unload(self, name: str) -> None:
        """Unload a model and wait until its memory is free; Unavailable after UNLOAD_S."""
        give_up, mine = time.monotonic() + UNLOAD_S, self._living(name)
        try:
            with self._client() as client:
                client.unload_model(name, headers=self._headers(), client_timeout=UNLOAD_S)
                while any(map(_runs, mine)) or client.is_model_ready(name, headers=self._headers()):
                    if time.monotonic() > give_up:
                        raise Unavailable(f"{name} was not unloaded within {UNLOAD_S:.0f} s")
                    time.sleep(POLL_S)
        except InferenceServerException as error:
            raise Unavailable(_reason(error)) from error

    def states(self) -> dict[str, str]:
        """Triton's word for each model that is or was loaded; READY if one of its versions is.

        Unavailable if the server does not answer.
        """
        try:
            with self._client() as client:
                index = client.get_model_repository_index(headers=self._headers(), client_timeout=10.0)
        except InferenceServerException as error:
            raise Unavailable(_reason(error)) from error
        states: dict[str, str] = {}
        for model in index.models:  # one row a version
            if model.state and states.get(model.name) != READY:
                states[model.name] = model.state
        return states

    def _living(self, name: str) -> set[int]:
        """The processes of a model, where it has any."""
        return {
            pid
            for pid, stub in look(self._server).items()
            if stub.slot and stub.slot.model == name and not stub.ended
        }

    def _client(self) -> triton.InferenceServerClient:
        return triton.InferenceServerClient(self._address, channel_args=channel_options(self._address))

    def _headers(self) -> dict[str, str]:
        """The key of the restricted APIs, read at each call because it may be changed."""
        if self._key_file is None:
            return {}
        return {KEY_HEADER: self._key_file.read_text(encoding="utf-8").strip()}


def _runs(pid: int) -> bool:
    """Whether a process has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def _reason(error: Exception) -> str:
    """Triton's reason without paths of our files: callers are told it."""
    return re.sub(rf"\S*{os.sep}\S*", "…", triton_reason(error))
