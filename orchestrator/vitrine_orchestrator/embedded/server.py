"""Runs one tritonserver process: starts it on loopback, loads models, stops it with all its children."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from tritonclient.utils import InferenceServerException
from vitrine.channels import directly_here
from vitrine.errors import Unavailable

import vitrine_orchestrator
from vitrine_orchestrator.adapters.json_callers import FORWARDED
from vitrine_orchestrator.embedded.launch import KEEPALIVE, kill_group, launch_command
from vitrine_orchestrator.embedded.leftovers import Belongings, clear_dead
from vitrine_orchestrator.embedded.memory import request_limit, reserve
from vitrine_orchestrator.embedded.model_control import ModelControl, Progress, quiet
from vitrine_orchestrator.embedded.options import check_options
from vitrine_orchestrator.embedded.ports import (
    LOOPBACK,
    USUAL,
    Ports,
    answers,
    check_loopback,
    free_ports,
    is_free,
)
from vitrine_orchestrator.embedded.repository import check_files, model_names
from vitrine_orchestrator.embedded.surroundings import last_error, plain_temporary_folder, with_folders
from vitrine_orchestrator.embedded.wheel import (
    derived_folder,
    find_libpython,
    find_wheel,
    lay_out_backends,
    lay_out_python,
)
from vitrine_orchestrator.residency.amounts import OFF

START_S = 120.0  # start limit of the server, without models
STARTS = 3  # a port may be taken by another process between its choice and the server's start
LAST_WORDS_S = 2.0  # a server that crashes prints where before its process ends
STOP_S = 12.0  # Triton is killed if finishing requests and unloading take longer
QUICK_STOP_S = 2.0  # the same for a server that is already broken

# A link to the repository. Triton starts a model's process by a line of shell that does not quote the path,
# and one with a space hangs.
REPOSITORY = "repository"

SOURCE = Path(vitrine_orchestrator.__file__).parents[2]  # the folder of a clone

# numpy and OpenCV get one thread each: their pools spin, which takes the cores from the networks.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


class EmbeddedTriton(ModelControl):
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
        check_loopback()
        check_files(self.repository, self.models)
        temporary = Path(plain_temporary_folder())
        clear_dead(temporary)
        self._limits = request_limit(self.repository, self.models, self.environment)
        self._belongings = Belongings(temporary, self.shared_prefix)
        self.folder = self._belongings.folder
        self.log = self._log or self.folder / "triton.log"
        try:
            (self.folder / REPOSITORY).symlink_to(self.repository)
            lay_out_backends(self.wheel, self.backends, self.folder / "backends")
            lay_out_python(self.wheel, self.folder / "python")
            self._launch_on_free_ports()
            self.load(self.models)
            self._belongings.note()
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

    def _launch_on_free_ports(self) -> None:
        for left in reversed(range(STARTS)):
            try:
                self._launch()
            except Unavailable:
                if not (left and self._port_was_taken()):
                    raise
            else:
                return

    def _port_was_taken(self) -> bool:
        """Whether the server ended by itself while another process has one of its ports."""
        ports = (self.ports.http, self.ports.grpc, self.ports.metrics)
        return not self.alive and not all(is_free(port) for port in ports)

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
                pass_fds=(self._belongings.lock,),
                start_new_session=True,  # Ctrl-C reaches this process only, which stops the server
            )
        self._wait_live()

    def _command(self) -> list[str]:
        options = {
            "model-repository": self.folder / REPOSITORY,
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
        programs = [self.folder / "python" / "bin", before.get("PATH") or os.defpath]
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

    def _wait_live(self) -> None:
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            if not self.alive:
                raise Unavailable(f"tritonserver did not start: {last_error(self.log)}")
            if self._listens():
                return
            time.sleep(0.05)
        raise Unavailable(f"tritonserver did not answer within {START_S:.0f} s: {last_error(self.log)}")

    def _listens(self) -> bool:
        """Whether all three ports answer; Triton opens gRPC first, and may fail to open the others."""
        try:
            with self.client() as client:
                live = client.is_server_live(client_timeout=1.0)
        except InferenceServerException:
            return False
        return (
            live and answers(self.ports.http, "/v2/health/live") and answers(self.ports.metrics, "/metrics")
        )

    def reason(self, model: str, error: InferenceServerException) -> str:
        """Why a model could not be loaded; the server's last error if the server ended."""
        if self._process is not None and "UNAVAILABLE" in str(error.status()):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_WORDS_S)
                return f"tritonserver ended: {last_error(self.log)}"
        return super().reason(model, error)

    def restart(self, models: Iterable[str] | None = None) -> None:
        """Stop the server and start it again on the same ports, with `models` or the same models."""
        self.wanted = self.ports
        if models is not None:
            self.models = sorted(models)
        self.stop(QUICK_STOP_S)
        self.start()

    def stop(self, within_s: float = STOP_S) -> None:
        """Stop the server and every process of its group; remove its files and shared memory.

        Does so at once when it is interrupted, as by a second Ctrl-C.
        """
        process = self._process
        try:
            self._end(process, within_s)
        finally:
            self._belongings.remove(killed=process is not None and process.returncode != 0)

    def _end(self, process: subprocess.Popen[bytes] | None, within_s: float) -> None:
        if process is None:
            return
        process.terminate()
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            kill_group(process.pid)
            self._process = None
