"""The embedded server: what it needs, its errors when that is missing, its start and stop."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from vitrine import Unavailable
from vitrine.command import main
from vitrine_orchestrator.embedded import ports
from vitrine_orchestrator.embedded import server as servers
from vitrine_orchestrator.embedded import wheel as wheels
from vitrine_orchestrator.embedded.ports import ANY_PORTS, LOOPBACK, Ports, check_loopback, free_ports
from vitrine_orchestrator.embedded.repository import check_files, model_names
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.wheel import find_libpython, find_wheel
from vitrine_orchestrator.manifest import FILE, manifest_text
from waiter import ask, write_waiter

VITRINE = str(Path(sys.executable).with_name("vitrine"))
MODEL = """
class TritonPythonModel:
    def execute(self, requests):
        return [None] * len(requests)
"""


@pytest.fixture
def repository(tmp_path):
    """A repository with one model that is not in the stage table."""
    version = tmp_path / "repository" / "nothing" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL)
    (version.parent / "config.pbtxt").write_text(
        'name: "nothing" backend: "python" instance_group [ { kind: KIND_CPU } ] '
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ] '
        'output [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]'
    )
    return tmp_path / "repository"


def test_taken_ports_are_replaced_by_free_ones():
    """The usual ports are used where they are free; the three always differ."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        found = free_ports(Ports(http=port, grpc=port, metrics=0))
    assert port not in (found.http, found.grpc, found.metrics)
    assert len({found.http, found.grpc, found.metrics}) == 3


def test_a_missing_wheel_says_how_to_get_it(tmp_path):
    """The error is one sentence with the command."""
    with pytest.raises(Unavailable, match=r"pip install --no-deps --target .* nvidia-pytriton"):
        find_wheel(tmp_path)


def test_a_missing_shared_python_names_its_package(monkeypatch):
    """The error names the package of libpython, which a plain Debian lacks."""
    monkeypatch.setattr(wheels.Path, "exists", lambda path: False)
    with pytest.raises(Unavailable, match=r"libpython3.* is missing: install the package libpython3"):
        find_libpython()


def test_missing_networks_are_named_with_the_command_that_makes_them(tmp_path):
    """They are reported before Triton starts."""
    for name in ("pose", "try_on"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").touch()
    with pytest.raises(Unavailable, match=r"pose/1/model.onnx, try_on/1/manifest.json; run make export"):
        check_files(tmp_path, model_names(tmp_path))


def test_an_optional_network_is_loaded_only_where_its_file_is(tmp_path):
    """A server without the segmenter of worn garments is complete."""
    for name in ("dwpose", "garment_parser"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").touch()
    assert model_names(tmp_path) == ["dwpose"]
    (tmp_path / "garment_parser" / "1" / "model.onnx").touch()
    assert model_names(tmp_path) == ["dwpose", "garment_parser"]


def test_models_of_advertisements_are_loaded_beside_pictures_alone(tmp_path):
    """A server of try-ons has none of their processes; one of pictures from prompts, or of cut-outs, has."""
    for name in ("text_overlay", "cache_control"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").touch()
        (tmp_path / name / "1" / "model.py").touch()
    for family, names in (("idm_vton", ["cache_control"]), ("cut-out", ["cache_control", "text_overlay"])):
        (tmp_path / "cache_control" / "1" / FILE).write_text(manifest_text({family: {}}))
        assert model_names(tmp_path) == names


def test_a_folder_without_models_is_no_repository(tmp_path):
    """Such a folder and a missing one are refused."""
    with pytest.raises(Unavailable, match="holds no model"):
        model_names(tmp_path)
    with pytest.raises(Unavailable, match="there is no model repository"):
        model_names(tmp_path / "nowhere")


def test_a_model_that_cannot_be_loaded_is_named_with_its_reason(repository):
    """No process is left running."""
    (repository / "nothing" / "1" / "model.py").write_text("raise RuntimeError('no such luck')")
    server = EmbeddedTriton(repository, ports=ANY_PORTS)
    with pytest.raises(Unavailable, match=r"model nothing could not be loaded: .*no such luck"):
        server.start()
    assert not server.alive
    assert not server.folder.exists()


def test_a_server_that_cannot_start_says_why(repository, monkeypatch):
    """The error has Triton's last words, here about a port that is taken at every start."""
    server = EmbeddedTriton(repository)
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(servers, "free_ports", lambda wanted: replace(free_ports(), grpc=port))
        with pytest.raises(Unavailable, match=r"tritonserver did not start: .*(in use|failed)"):
            server.start()


@pytest.mark.parametrize("name", ["http", "grpc", "metrics"])
def test_a_port_taken_after_its_choice_is_chosen_anew(repository, monkeypatch, name):
    """Triton opens gRPC before the other ports, so it may answer and end a moment later."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        choices = [replace(free_ports(ANY_PORTS), **{name: port}), free_ports(ANY_PORTS)]
        monkeypatch.setattr(servers, "free_ports", lambda wanted: choices.pop(0))
        with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
            assert server.alive
            assert server.ready() == {("nothing", "1")}
        assert not choices


def test_a_chosen_port_is_given_to_no_outgoing_connection(tmp_path, monkeypatch):
    """Ports beside the kernel's range are chosen, and any free one where the range leaves none."""
    first, last = (int(word) for word in ports.OUTGOING.read_text().split())
    assert all(not first <= ports.free_port() <= last for _ in range(50))
    file = tmp_path / "range"
    monkeypatch.setattr(ports, "OUTGOING", file)
    for text, lowest, highest in (("20000 60999", 10_000, 19_999), ("1024 50000", 50_001, 65_535)):
        file.write_text(text)
        assert all(lowest <= ports.free_port() <= highest for _ in range(50))
    file.write_text("1024 65535")
    assert ports.free_port() >= ports.LOWEST


def test_a_server_that_ends_while_models_load_is_named_with_its_last_error(repository):
    """The reason is the server's, not a refused connection of the client's."""
    (repository / "nothing" / "1" / "model.py").write_text("import time\n" + MODEL + "\ntime.sleep(60)\n")
    server = EmbeddedTriton(repository, ports=ANY_PORTS)
    killed: list[int] = []

    def kill() -> None:
        while not (server._process and "nothing" in server.log.read_text()):  # the load has started
            time.sleep(0.05)
        killed.append(server.pid)
        os.kill(server.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(Unavailable, match="tritonserver ended: "):
        server.start()
    thread.join()
    assert killed


def test_a_server_ends_with_the_process_that_started_it(repository):
    """This holds even if that process is killed."""
    script = (
        "import sys, time; from pathlib import Path; from vitrine_orchestrator.embedded.ports import Ports; "
        "from vitrine_orchestrator.embedded.server import EmbeddedTriton; "
        "server = EmbeddedTriton(Path(sys.argv[1]), ports=Ports(0, 0, 0)); server.start(); "
        "print(server.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(repository)]
    environment = {**os.environ, "TMPDIR": str(repository.parent)}  # where it leaves its files
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as starter:
        server = int(starter.stdout.readline())
        starter.kill()
    give_up = time.monotonic() + 60
    while Path(f"/proc/{server}").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not Path(f"/proc/{server}").exists()


def test_serve_prints_its_addresses_and_stops_on_ctrl_c(repository):
    """The command `vitrine serve` prints its addresses, and Ctrl-C leaves no process or shared memory."""
    command = [VITRINE, "serve", "--repository", str(repository)]
    with subprocess.Popen(
        [*command, "--http-port=0", "--grpc-port=0", "--metrics-port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        said = [serving.stdout.readline() for _ in range(4)]
        children = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text()
        running = {int(pid) for pid in children.split()}
        asked = " ".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in running)
        prefix = re.search(r"shm-region-prefix-name=(vitrine_\w+_)", asked)[1]
        assert shared_memory(prefix)
        serving.send_signal(signal.SIGINT)
        ended = stopped(serving)
    assert ended == 0
    assert said[0] == "Triton is ready with 1 models. Ctrl-C stops it.\n"
    assert re.match(r"  gRPC     127\.0\.0\.1:\d+", said[1])
    assert re.match(r"  HTTP     http://127\.0\.0\.1:\d+", said[2])
    assert running
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
    assert not shared_memory(prefix)


def stopped(process):
    """The exit code of a process that got a signal to end; one that does not react is killed, so not 0.

    A process ignores SIGINT where its parent does, as in the background jobs of a shell.
    """
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def shared_memory(prefix):
    """The shared-memory blocks of one server; others may run on this machine."""
    return [name for name in os.listdir("/dev/shm") if name.startswith(prefix)]


def test_serve_says_in_one_line_what_is_missing(tmp_path):
    """The command prints one line and no traceback."""
    command = [VITRINE, "serve", "--repository", str(tmp_path)]
    served = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert served.returncode == 1
    assert served.stderr.strip().endswith("holds no model: no folder in it has a config.pbtxt")
    assert "Traceback" not in served.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--http-port", "99999"), 2, "must be a port from 1 to 65535, or 0 for any, got '99999'"),
        (("--grpc-port=-1",), 2, "must be a port from 1 to 65535, or 0 for any, got '-1'"),
        (("--log", "/nowhere/triton.log"), 1, "/nowhere/triton.log: No such file or directory"),
        (("--trace", "/nowhere/trace.json"), 1, "--trace must be a file in a folder that exists"),
        (("--memory", "24 apples"), 2, "units: KiB, MiB, GiB"),
    ],
)
def test_serve_says_in_one_line_what_is_wrong(tmp_path, capsys, words, code, said):
    """A mistake on the command line is no traceback."""
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    try:
        ended = main(["serve", "--repository", str(write_waiter(tmp_path / "repository")), *ports, *words])
    except SystemExit as wrong:
        ended = wrong.code
    assert ended == code
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_manifest_is_named_before_the_start(tmp_path):
    """With the place and the remedy."""
    for name, code in (("try_on", "model.py"), ("text_overlay", "model.py")):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").touch()
        (tmp_path / name / "1" / code).touch()
    for text in ("{", "[]", '{"format": 3}', '{"format": 3, "releases": {"idm_vton": {}}}'):
        (tmp_path / "try_on" / "1" / FILE).write_text(text)
        with pytest.raises(Unavailable, match=r"try_on/1/manifest.json is damaged \(.*: run make export"):
            check_files(tmp_path, model_names(tmp_path))


def test_a_machine_that_does_not_reach_itself_is_told_at_once():
    """A network namespace without its loopback interface."""
    words = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    check = "from vitrine_orchestrator.embedded.ports import check_loopback; check_loopback()"
    check_loopback()
    done = subprocess.run([*words, sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert "the loopback interface must be up (ip link set lo up)" in done.stderr


@pytest.mark.parametrize("path", [None, ""])
def test_a_server_starts_without_a_search_path(tmp_path, path):
    """Triton starts a model's process by a shell that looks for programs."""
    environment = {name: value for name, value in os.environ.items() if name != "PATH"}
    environment |= {} if path is None else {"PATH": path}
    with EmbeddedTriton(
        write_waiter(tmp_path / "repository"), ports=ANY_PORTS, environment=environment
    ) as triton:
        assert ask(triton, 0) == 0
