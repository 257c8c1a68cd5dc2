"""`vitrine serve` and `vitrine up` as people start and stop them: odd paths, hangups, closed terminals."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from vitrine import Unavailable
from vitrine_orchestrator.embedded import command, launch, leftovers, server, supervisor
from vitrine_orchestrator.embedded.ports import ANY_PORTS, free_ports
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.surroundings import plain_temporary_folder
from waiter import ask, check_until, stubs, write_waiter

VITRINE = str(Path(sys.executable).with_name("vitrine"))
PORTS = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
READY = "  metrics  "  # how the last line begins that tells of a start
ENDS_S = 60.0


def started(words, tmp_path, **environment):
    """A command in a session of its own, when it has said that Triton is ready."""
    process = subprocess.Popen(
        [*words, "--repository", str(write_waiter(tmp_path / "repository")), *PORTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.startswith(READY):
            return process
    raise AssertionError(f"it ended with {process.wait()} before it was ready")


def below(pid):
    """All processes that a process has started, and those that these have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}.union(*(below(child) for child in children))


def have_ended(pids):
    """Whether all of them end within ENDS_S."""
    give_up = time.monotonic() + ENDS_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < give_up:
        time.sleep(0.05)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_repository_may_have_any_path(tmp_path):
    """Triton starts a model's process by a line of shell that does not quote the path."""
    repository = write_waiter(tmp_path / "my repository (1) & 'more'")
    with EmbeddedTriton(repository, ports=ANY_PORTS) as triton:
        assert ask(triton, 0) == 0


def test_temporary_files_are_where_no_path_needs_quotes(tmp_path, monkeypatch):
    """Of all folders for them, one is taken that a shell reads as one word; if there is none, it is said."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert plain_temporary_folder() == str(tmp_path)
    odd = tmp_path / "a b"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    assert plain_temporary_folder() in ("/tmp", "/var/tmp")
    monkeypatch.setattr(os, "access", lambda path, mode: path == str(odd))
    with pytest.raises(Unavailable, match="TMPDIR must be a folder whose path needs no quotes"):
        plain_temporary_folder()


def test_a_hangup_is_ignored_where_nohup_has_it_ignored(tmp_path):
    """`nohup vitrine serve &` goes on after the terminal is closed."""
    process = started(["nohup", VITRINE, "serve"], tmp_path)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.terminate()
    assert process.wait(ENDS_S) == 0
    process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGKILL])
def test_triton_ends_with_vitrine_up(tmp_path, how):
    """A closed terminal or a kill leaves no server behind, whose ports and memory nobody would free."""
    port = str(free_ports(ANY_PORTS).http)
    environment = {"GATEWAY_DATA": str(tmp_path / "data"), "GATEWAY_PORT": port}
    process = started([VITRINE, "up", "--"], tmp_path, **environment)
    processes = below(process.pid)
    assert len(processes) >= 3  # serve, tritonserver and the model's
    process.send_signal(how)
    process.wait(ENDS_S)
    assert have_ended(processes)
    process.stdout.close()


def test_a_stop_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    """A second Ctrl-C ends the server at once, and its files and shared memory go too."""
    triton = EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS)
    triton.start()
    processes = {triton.pid, *below(triton.pid)}

    def interrupted(within_s=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(triton._process, "wait", interrupted)
    process = triton._process
    with pytest.raises(KeyboardInterrupt):
        triton.stop()
    subprocess.Popen.wait(process)
    assert have_ended(processes)
    assert not triton.folder.exists()
    assert not list(leftovers.SHARED_MEMORY.glob(f"{triton.shared_prefix}*"))


def test_a_start_that_fails_early_leaves_no_folder(tmp_path, monkeypatch):
    """A full disk while the server's folder is laid out, for instance."""

    def full(wheel, folder):
        raise OSError("no space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(server, "lay_out_python", full)
    triton = EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS)
    with pytest.raises(OSError, match="no space left"):
        triton.start()
    assert not triton.folder.exists()


def test_the_supervisor_goes_on_when_nobody_reads_what_it_says(monkeypatch):
    """The reader of standard error has ended, as `vitrine serve 2>&1 | tee log` may find."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    command._say("tritonserver is back")


def test_a_stopped_process_is_ended_and_restored(tmp_path, monkeypatch):
    """Triton refuses the requests of a process that SIGSTOP has stopped, and calls its model ready."""
    monkeypatch.setattr(supervisor, "STOPPED_S", 0.2)
    told = []
    with EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS) as triton:
        watched = supervisor.Supervisor(triton, told.append)
        (pid,) = stubs(triton.pid)
        os.kill(pid, signal.SIGSTOP)
        check_until(watched, told, "wait is back", "tritonserver is back")
        assert ask(triton, 0) == 0
    assert told[0] == "a process of wait was stopped (SIGSTOP): ending it"


def test_a_server_may_open_many_files(monkeypatch, caplog):
    """The soft limit is raised to what is allowed; a low hard limit is named: models then fail to load."""
    monkeypatch.setattr(launch.resource, "getrlimit", lambda kind: (1024, 524_288))
    assert launch.open_files() == launch.OPEN_FILES
    monkeypatch.setattr(launch.resource, "getrlimit", lambda kind: (64, 64))
    assert launch.open_files() == 64
    assert "64 files only" in caplog.text


def test_what_a_killed_server_leaves_goes_at_the_next_start(tmp_path, monkeypatch):
    """All its processes are killed, as by the system when memory runs out; a living server's folder stays."""
    (tmp_path / "tmp").mkdir()
    process = started([VITRINE, "serve"], tmp_path, TMPDIR=str(tmp_path / "tmp"))
    (folder,) = (tmp_path / "tmp").glob("vitrine-triton-*")
    prefix = (folder / leftovers.OWNER).read_text()
    made = [leftovers.ENVIRONMENTS / name for name in (folder / leftovers.MADE).read_text().split()]
    leftovers.clear_dead(tmp_path / "tmp")
    assert folder.exists()
    assert made
    processes = {process.pid, *below(process.pid)}
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in processes:
            os.kill(pid, how)
    process.wait(ENDS_S)
    process.stdout.close()
    assert have_ended(processes)
    assert list(leftovers.SHARED_MEMORY.glob(f"{prefix}*"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with EmbeddedTriton(write_waiter(tmp_path / "next"), ports=ANY_PORTS):
        assert not folder.exists()
        assert not list(leftovers.SHARED_MEMORY.glob(f"{prefix}*"))
        assert not any(path.exists() for path in made)


def test_a_folder_of_another_s_stays(tmp_path):
    """Only folders that a server of this user has marked are removed, and only what their mark may name."""
    for name in ("unmarked", "odd"):
        (tmp_path / f"vitrine-triton-{name}").mkdir()
    (tmp_path / "vitrine-triton-odd" / leftovers.OWNER).write_text("")
    (tmp_path / "vitrine-triton-link").symlink_to(tmp_path / "vitrine-triton-odd")
    leftovers.clear_dead(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_killed_tritonserver_leaves_no_folder_of_its_own(tmp_path):
    """Neither does one that the supervisor starts again."""
    told = []
    with EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS) as triton:
        watched = supervisor.Supervisor(triton, told.append)
        made = (triton.folder / leftovers.MADE).read_text().split()
        assert made
        os.kill(triton.pid, signal.SIGKILL)
        check_until(watched, told, "tritonserver is back")
        assert not leftovers._environments().intersection(made)
