"""A killed process of the server is detected, and its model serves again."""

import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest
from tritonclient.utils import InferenceServerException
from vitrine import VitrineError
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.processes import stubs
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.supervisor import Supervisor
from waiter import LEAVE, ask, check_until, kill_stub, write_waiter


@pytest.fixture(scope="module")
def waiter(tmp_path_factory):
    """A server with one small model."""
    repository = write_waiter(tmp_path_factory.mktemp("supervised") / "repository")
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])  # out of memory, a crash
def test_an_idle_model_that_lost_its_process_is_loaded_again(waiter, how):
    """The server continues, and only that model is reloaded, once."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    server = waiter.pid
    kill_stub(waiter, "wait", how)
    check_until(supervisor, told, "wait is back")
    assert ask(waiter, 0) == 0
    assert waiter.pid == server
    for _ in range(4):  # Triton collects the old process meanwhile
        time.sleep(0.5)
        supervisor.check()
    assert told == ["a process of wait died: loading the model again", "wait is back"]


def test_triton_itself_restarts_nothing_and_calls_the_model_ready(waiter):
    """Every request fails, and a failed one prevents unloading, so a restart is needed."""
    told, ports = [], waiter.ports
    supervisor = Supervisor(waiter, told.append)
    kill_stub(waiter, "wait")
    with pytest.raises(InferenceServerException, match="not healthy"):
        ask(waiter, 0)
    with waiter.client() as client:
        assert client.is_model_ready("wait")
    check_until(supervisor, told, "tritonserver is back")
    assert ask(waiter, 0) == 0
    assert waiter.ports == ports


def test_requests_of_a_dead_process_get_an_error(waiter):
    """The restart ends requests that Triton would leave waiting for ever."""
    failed, told = [], []
    supervisor = Supervisor(waiter, told.append)

    def lost():
        try:
            ask(waiter, 600)
        except InferenceServerException as error:
            failed.append(error)

    asking = threading.Thread(target=lost)
    asking.start()
    time.sleep(0.5)
    kill_stub(waiter, "wait")
    check_until(supervisor, told, "tritonserver is back")
    asking.join(30)
    assert len(failed) == 1
    assert ask(waiter, 0) == 0


def test_a_process_that_leaves_by_itself_is_a_death(waiter):
    """A process that exits with code 0 by itself fails its caller; the next caller gets an answer."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    with pytest.raises(InferenceServerException):
        ask(waiter, LEAVE)
    check_until(supervisor, told, "wait is back", "tritonserver is back")
    assert ask(waiter, 0) == 0
    assert told[0] == "a process of wait died: loading the model again"


def test_a_network_is_replaced_even_when_a_request_met_its_dead_process(triton, vitrine):
    """No restart is needed, since networks answer before they return."""
    told, server = [], triton.pid
    supervisor = Supervisor(triton, told.append)
    ids = np.zeros((1, 77), np.int64)
    kill_stub(triton, "text_encoder")
    with pytest.raises(VitrineError):
        vitrine.infer("text_encoder", {"input_ids": ids})
    check_until(supervisor, told, "text_encoder is back")
    assert vitrine.infer("text_encoder", {"input_ids": ids})["hidden_states"].shape[:2] == (1, 77)
    assert triton.pid == server


def test_a_killed_server_is_started_again(waiter):
    """The old stubs and shared memory are removed first."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    left = stubs(waiter.pid)
    os.kill(waiter.pid, signal.SIGKILL)
    while waiter.alive:
        time.sleep(0.01)
    check_until(supervisor, told, "tritonserver is back")
    assert ask(waiter, 0) == 0
    assert not any(_runs(pid) for pid in left)


def _runs(pid):
    """Whether the process is alive; one that ended and was not collected is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_unloaded_model_is_left_alone(waiter):
    """A model that was unloaded on purpose is not loaded again."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    with waiter.client() as client:
        client.unload_model("wait")
    while stubs(waiter.pid):
        time.sleep(0.01)
    supervisor.check()
    assert told == []
    waiter.load(["wait"])
