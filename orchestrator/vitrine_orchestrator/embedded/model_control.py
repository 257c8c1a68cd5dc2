"""Loads and unloads the models of one server, and reads their states, over gRPC."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
from vitrine.channels import channel_options
from vitrine.errors import Unavailable

from vitrine_orchestrator.embedded.surroundings import triton_reason
from vitrine_orchestrator.manifest import version_folders

STATE_TIMEOUT_S = 10.0  # time limit of a call that only reads the server's state
UNLOAD_S = 120.0  # time limit of a call that unloads a model
LOAD_S = 600.0  # load and warm-up limit of one model

_STATES = ["", "UNAVAILABLE", "READY", "LOADING", "UNLOADING"]  # of several versions, the last one counts

Progress = Callable[[str, int, int], None]  # (model just loaded, loaded so far, of all)


def quiet(model: str, loaded: int, total: int) -> None:
    """Shows no progress."""


class ModelControl:
    """The models of the server at the address `grpc`, which serves the folder `repository`."""

    repository: Path
    grpc: str
    progress: Progress

    def client(self) -> triton.InferenceServerClient:
        """A new gRPC client of this server."""
        return triton.InferenceServerClient(self.grpc, channel_args=channel_options(self.grpc))

    def reason(self, model: str, error: InferenceServerException) -> str:
        """Why a model could not be loaded."""
        return f"model {model} could not be loaded: {triton_reason(error)}"

    def load(self, models: Iterable[str]) -> None:
        """Load models concurrently; Unavailable names the first that cannot be loaded, and the reason."""
        names = list(models)
        pool = ThreadPoolExecutor(max_workers=4)
        pending = {pool.submit(self._load_one, name): name for name in names}
        try:
            for done, future in enumerate(as_completed(pending), start=1):
                try:
                    future.result()
                except InferenceServerException as error:
                    raise Unavailable(self.reason(pending[future], error)) from error
                self.progress(pending[future], done, len(names))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # stopping the server ends the pending loads

    def _load_one(self, name: str) -> None:
        with self.client() as client:
            client.load_model(name, client_timeout=LOAD_S)

    def replace(self, name: str) -> None:
        """Load a model again without unloading it, so that Triton need not wait for its dead process.

        Triton reloads a version whose file is newer than when it was loaded, so this sets a file's mtime;
        OSError if the file belongs to another user.
        """
        for version in version_folders(self.repository / name):
            os.utime(next(path for path in version.iterdir() if path.is_file()))
        self.load([name])

    def reload(self, name: str, within_s: float) -> bool:
        """Unload and load one model; False if the unload takes longer than `within_s`.

        An unload never ends if the dead process held a request, because Triton waits for its response.
        """
        give_up = time.monotonic() + within_s
        with self.client() as client:
            client.unload_model(name, client_timeout=UNLOAD_S)
            while self.state(name, client) != "UNAVAILABLE":  # the call returns before the unload is done
                if time.monotonic() > give_up:
                    return False
                time.sleep(0.05)
        self.load([name])
        return True

    def ready(self) -> set[tuple[str, str]]:
        """Each (model, version) that Triton reports as ready; it reports so for a dead process too."""
        with self.client() as client:
            index = client.get_model_repository_index(client_timeout=STATE_TIMEOUT_S)
        return {(model.name, model.version) for model in index.models if model.state == "READY"}

    def loading(self) -> set[str]:
        """The models that are being loaded."""
        with self.client() as client:
            index = client.get_model_repository_index(client_timeout=STATE_TIMEOUT_S)
        return {model.name for model in index.models if model.state == "LOADING"}

    def state(self, name: str, client: triton.InferenceServerClient) -> str:
        """The model's state in Triton's words: READY, UNAVAILABLE, LOADING or UNLOADING."""
        index = client.get_model_repository_index(client_timeout=UNLOAD_S)
        states = [model.state for model in index.models if model.name == name]
        return max(states, default="UNAVAILABLE", key=_STATES.index) or "UNAVAILABLE"
