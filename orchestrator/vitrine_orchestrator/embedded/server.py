"""Runs one tritonserver process: starts it on loopback, loads models, stops it with all its children."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
from vitrine.channels import channel_options, directly_here
from vitrine.errors import Unavailable

import vitrine_orchestrator
from vitrine_orchestrator.adapters.json_callers import FORWARDED
from vitrine_orchestrator.embedded.launch import KEEPALIVE, kill_group, launch_command
from vitrine_orchestrator.embedded.memory import request_limit, reserve
from vitrine_orchestrator.embedded.options import check_options
from vitrine_orchestrator.embedded.ports import LOOPBACK, USUAL, Ports, free_ports
from vitrine_orchestrator.embedded.repository import check_files, model_names
from vitrine_orchestrator.embedded.surroundings import load_reason, with_folders
from vitrine_orchestrator.embedded.wheel import (
    derived_folder,
    find_libpython,
    find_wheel,
    lay_out_backends,
    lay_out_python,
)
from vitrine_orchestrator.residency.amounts import OFF
from vitrine_orchestrator.shared_memory import FOLDER as SHARED_MEMORY

START_S = 120.0  # start limit of the server, without models
STATE_TIMEOUT_S = 10.0  # time limit of a call that only reads the server's state
LOAD_S = 600.0  # load and warm-up limit of one model
STOP_S = 12.0  # Triton is killed if finishing requests and unloading take longer
QUICK_STOP_S = 2.0  # the same for a server that is already broken

SOURCE = Path(vitrine_orchestrator.__file__).parents[2]  # the folder of a clone
_STATES = ["", "UNAVAILABLE", "READY", "LOADING", "UNLOADING"]  # of several versions, the last one counts

# numpy and OpenCV get one thread each: their pools spin, which takes the cores from the networks.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}

Progress = Callable[[str, int, int], None]  # (model just loaded, loaded so far, of all)


def quiet(model: str, loaded: int, total: int) -> None:
    """Shows no progress."""


class EmbeddedTriton:
    """A Triton server that runs for the duration of a `with` block.

    `repository` is loaded whole, or only `models` of it. `http`, `grpc` and `metrics` are addresses
    ("127.0.0.1:8001"). `options` are further flags for tritonserver; BadSettings for a reserved one.
    Raises Unavailable, in one sentence, if it cannot start. The server ends when the thread that started it
    ends, so start it from a thread that lives as long as the server is needed.
    """

    memory: str = OFF  # the memory budget: see budget.py

    def __init__(
        self,
        repository: Path,
        *,
        models: Iterable[str] | None = None,
        ports: Ports = USUAL,
        profile: str = "cpu",
        backends: Path = SOURCE / "backends",
        wheel: Path | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        progress: Progress = quiet,
        options: Sequence[str] = (),
    ) -> None:
        self.repository = repository.resolve()
        self.models = sorted(models) if models is not None else model_names(self.repository)
        self.wanted, self.profile, self.backends = ports, profile, backends
        self.wheel, self.libpython = find_wheel(wheel), find_libpython()
        self.environment = dict(os.environ if environment is None else environment)
        self.progress, self.options = progress, check_options(options)
        self.shared_prefix = f"vitrine_{uuid4().hex[:12]}_"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and load its models; removes everything again if that fails."""
        check_files(self.repository, self.models)
        self._limits = request_limit(self.repository, self.models, self.environment)
        self.folder = Path(tempfile.mkdtemp(prefix="vitrine-triton-"))
        self.log = self._log or self.folder / "triton.log"
        lay_out_backends(self.wheel, self.backends, self.folder / "backends")
        lay_out_python(self.wheel, self.folder / "python")
        try:
            self._launch()
            self.load(self.models)
            if self._limits:
                reserve(self.grpc, self.repository)
            self._settle()
        except BaseException:
            self.stop()
            raise

    def _settle(self) -> None:
        """Wait for what is loaded by others; a server with a budget has something."""

    def _more_flags(self) -> list[str]:
        """Further flags of tritonserver, after the ports have been chosen."""
        return []

    def _launch(self) -> None:
        self.ports = free_ports(self.wanted)
        self.http = f"{LOOPBACK}:{self.ports.http}"
        self.grpc = f"{LOOPBACK}:{self.ports.grpc}"
        self.metrics = f"{LOOPBACK}:{self.ports.metrics}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process only, which stops the server
            )
        self._wait_live()

    def _command(self) -> list[str]:
        options = {
            "model-repository": self.repository,
            "model-control-mode": "explicit",
            "backend-directory": self.folder / "backends",
            "cache-directory": self.wheel.tritonserver / "caches",
            "backend-config": f"python,shm-region-prefix-name={self.shared_prefix}",
            "http-address": LOOPBACK,
            "http-port": self.ports.http,
            "http-header-forward-pattern": FORWARDED,
            "grpc-address": LOOPBACK,
            "grpc-port": self.ports.grpc,
            "metrics-address": LOOPBACK,
            "metrics-port": self.ports.metrics,
            "exit-timeout-secs": int(STOP_S) - 4,
        }
        if self.profile == "cpu":
            options |= {"allow-gpu-metrics": "false", "pinned-memory-pool-byte-size": 0}
        else:
            options["model-config-name"] = self.profile
        flags = [f"--{name}={value}" for name, value in options.items()]
        flags += ["--disable-auto-complete-config", *KEEPALIVE, *self._more_flags(), *self.options]
        return launch_command(self.wheel.server, *flags)

    def _environment(self) -> dict[str, str]:
        before = with_folders(
            directly_here(self.environment), self.folder, derived_folder(self.wheel, self.folder)
        )
        libraries = [self.wheel.libraries, self.libpython, before.get("LD_LIBRARY_PATH", "")]
        programs = [self.folder / "python" / "bin", before.get("PATH", "")]
        return (
            ONE_THREAD
            | before
            | self._limits
            | {
                "VITRINE_MEMORY": self.memory,
                "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries if folder),
                "PATH": ":".join(str(folder) for folder in programs if folder),
            }
        )

    def client(self) -> triton.InferenceServerClient:
        """A new gRPC client of this server."""
        return triton.InferenceServerClient(self.grpc, channel_args=channel_options(self.grpc))

    def _wait_live(self) -> None:
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            if not self.alive:
                raise Unavailable(f"tritonserver did not start: {self._last_error()}")
            try:
                with self.client() as client:
                    if client.is_server_live(client_timeout=1.0):
                        return
            except InferenceServerException:
                time.sleep(0.05)  # the server does not listen yet
        raise Unavailable(f"tritonserver did not answer within {START_S:.0f} s: {self._last_error()}")

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
                    raise Unavailable(load_reason(pending[future], error)) from error
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
        versions = [path for path in (self.repository / name).iterdir() if path.name.isdigit()]
        for version in versions:
            os.utime(next(path for path in version.iterdir() if path.is_file()))
        self.load([name])

    def reload(self, name: str, within_s: float) -> bool:
        """Unload and load one model; False if the unload takes longer than `within_s`.

        An unload never ends if the dead process held a request, because Triton waits for its response.
        """
        give_up = time.monotonic() + within_s
        with self.client() as client:
            client.unload_model(name, client_timeout=START_S)
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
        index = client.get_model_repository_index(client_timeout=START_S)
        states = [model.state for model in index.models if model.name == name]
        return max(states, default="UNAVAILABLE", key=_STATES.index) or "UNAVAILABLE"

    def restart(self, models: Iterable[str] | None = None) -> None:
        """Stop the server and start it again on the same ports, with `models` or the same models."""
        self.wanted = self.ports
        if models is not None:
            self.models = sorted(models)
        self.stop(QUICK_STOP_S)
        self.start()

    def stop(self, within_s: float = STOP_S) -> None:
        """Stop the server and every process of its group; remove its files and shared memory."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            finally:
                kill_group(self._process.pid)
            self._process = None
        for left in SHARED_MEMORY.glob(f"{self.shared_prefix}*"):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_error(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if re.match(r"E\d{4} |error|.*: error while loading", line)]
        return (errors or lines or ["it wrote no log"])[-1].split("] ", 1)[-1].strip()
