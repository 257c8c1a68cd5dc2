"""The container's start script docker/serve.sh starts a real tritonserver, here that of the wheel."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tritonclient.grpc as triton
from container_probe import probe
from tiny_repository import write_repository
from tritonclient.utils import InferenceServerException
from vitrine import Vitrine
from vitrine_orchestrator.embedded.ports import ANY_PORTS, LOOPBACK, answers, free_ports
from vitrine_orchestrator.embedded.server import SOURCE
from vitrine_orchestrator.embedded.wheel import find_libpython, find_wheel, lay_out_backends, lay_out_python

DOCKER = SOURCE / "docker"
KEY = "a key of the test"
UNKNOWN = "--http-max-input-size"  # an option of the image's Triton that the wheel's older one does not know
SERVER = f"""#!/bin/bash
options=()
for option; do case $option in {UNKNOWN}=*) ;; *) options+=("$option");; esac; done
exec {{server}} "${{{{options[@]}}}}"
"""


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """The ports of a server that the script has started as in the container, and its process."""
    folder = tmp_path_factory.mktemp("container")
    repository = write_repository(folder / "models")
    (folder / "key").write_text(KEY)
    wheel, ports = find_wheel(None), free_ports(ANY_PORTS)
    lay_out_backends(wheel, SOURCE / "backends", folder / "backends")
    lay_out_python(wheel, folder / "python")
    program = folder / "programs" / "tritonserver"
    program.parent.mkdir()
    program.write_text(SERVER.format(server=wheel.server))
    program.chmod(0o755)
    programs = [program.parent, folder / "python" / "bin", Path(sys.executable).parent]
    environment = os.environ | {
        "PROFILE": "cpu",
        "MODEL_FOLDER": str(repository),
        "ADMIN_KEY_FILE": str(folder / "key"),
        "VITRINE_CACHE_FOLDER": str(folder / "cache"),
        "OPENBLAS_NUM_THREADS": "1",
        "LD_LIBRARY_PATH": f"{wheel.libraries}:{find_libpython()}",
        "PATH": ":".join(str(each) for each in [*programs, os.environ["PATH"]]),
    }
    # What the wheel needs, and the image does not
    more = [f"--backend-directory={folder / 'backends'}", "--allow-gpu-metrics=false"]
    more += [f"--cache-directory={wheel.tritonserver / 'caches'}"]
    more += ["--pinned-memory-pool-byte-size=0", f"--http-port={ports.http}", f"--grpc-port={ports.grpc}"]
    more += [f"--metrics-port={ports.metrics}", f"--http-address={LOOPBACK}", f"--grpc-address={LOOPBACK}"]
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["sh", DOCKER / "serve.sh", *more, f"--metrics-address={LOOPBACK}"],
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        give_up = time.monotonic() + 300
        while not answers(ports.http, "/v2/health/ready"):
            assert process.poll() is None, log.read_text()[:3000]
            assert time.monotonic() < give_up, log.read_text()[:3000]
            time.sleep(0.2)
        yield ports, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_client_tries_on(container, person, garment):
    """The pipeline runs with the script's options."""
    with Vitrine(f"{LOOPBACK}:{container[0].grpc}", timeout_s=120) as client:
        done = client.try_on(person=person, garment=garment, category="upper_body", steps=2)
    assert done.image.size == (192, 256)


def test_the_probe_finds_every_model_alive(container):
    """It needs no key."""
    assert probe(f"{LOOPBACK}:{container[0].http}") == (0, "")


def test_a_model_is_unloaded_with_the_key_alone(container):
    """Administration calls of others are refused."""
    with triton.InferenceServerClient(f"{LOOPBACK}:{container[0].grpc}") as client:
        with pytest.raises(InferenceServerException, match="protocol is restricted"):
            client.unload_model("score")
        client.get_model_repository_index(headers={"triton-grpc-protocol-vitrine-admin": KEY})


def test_the_server_ends_by_a_sigterm(container):
    """The script has become the server, so the platform's signal reaches it."""
    container[1].send_signal(signal.SIGTERM)
    assert container[1].wait(60) == 0
