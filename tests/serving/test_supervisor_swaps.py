"""Loads, unloads and swaps by an operator are no deaths, even with requests in flight."""

import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from tiny_repository import write_repository
from tritonclient.utils import InferenceServerException
from vitrine import Vitrine, VitrineError
from vitrine_measure.gateway_soak.victims import TRY_ON
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.processes import look
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.supervisor import HELD_S, UNLOADED_S, Supervisor
from vitrine_orchestrator.embedded.watching import watched
from waiter import ask, check_until, kill_stub, write_waiter

REST_S = 3.0  # Triton has let the old process go by then, and six checks have looked


@pytest.fixture(scope="module")
def waiter(tmp_path_factory):
    """A server with one small model in two versions, and the folder of its repository."""
    repository = write_waiter(tmp_path_factory.mktemp("swaps") / "repository", ("1", "2"))
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
        yield server


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A server for this module, with the models of a try-on."""
    repository = write_repository(tmp_path_factory.mktemp("swaps") / "whole")
    with EmbeddedTriton(repository, models=TRY_ON, ports=ANY_PORTS) as server:
        yield server


@pytest.fixture
def told():
    """The reports of the supervisor."""
    return []


@contextmanager
def asking(at_once, work):
    """Run `work` repeatedly in threads; yields a Counter of its answers or errors."""
    over, ends, lock = threading.Event(), Counter(), threading.Lock()

    def ask_on():
        while not over.is_set():
            try:
                key = work()
            except (VitrineError, InferenceServerException) as error:
                key = f"{type(error).__name__}: {error}"
            with lock:
                ends[key] += 1

    threads = [threading.Thread(target=ask_on) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield ends
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_network_whose_file_changed_is_no_death(pipeline, told):
    """The network is loaded again: the old process ends and the new one serves."""
    with watched(pipeline, told.append):
        os.utime(pipeline.repository / "vae_decoder" / "1" / "model.onnx")
        pipeline.load(["vae_decoder"])
        time.sleep(REST_S)
    assert told == []


def test_a_swap_loses_no_request_in_flight(waiter, told):
    """Requests of ten seconds get their answers, and the server is the same."""
    server, answers = waiter.pid, []
    with watched(waiter, told.append):
        threads = [threading.Thread(target=lambda: answers.append(ask(waiter, 10))) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        os.utime(waiter.repository / "wait" / "2" / "model.py")
        waiter.load(["wait"])
        for thread in threads:
            thread.join()
        time.sleep(REST_S)
    assert (answers, told, waiter.pid) == ([10] * 4, [], server)


def test_unloading_and_loading_under_load_is_no_death(pipeline, told, person, garment):
    """Meanwhile callers get a picture, Unavailable, Busy or NotFound, and pictures afterwards."""
    server = pipeline.pid
    with Vitrine(pipeline.grpc, timeout_s=60) as vitrine, watched(pipeline, told.append):

        def dress():
            try:
                vitrine.try_on(person=person, garment=garment, steps=2, seed=3)
            except VitrineError as error:
                return error.word
            return "picture"

        with asking(3, dress) as ends, pipeline.client() as client:
            for model, pause_s in (("prepare_text", 0), ("denoise", 0.3), ("try_on", 0.7)) * 2:
                client.unload_model(model)
                time.sleep(pause_s)
                client.load_model(model)
                time.sleep(0.5)
        assert dress() == "picture"
        time.sleep(REST_S)
    assert told == []
    assert pipeline.pid == server
    assert ends.keys() <= {"picture", "unavailable", "busy", "not found"}


def test_a_version_that_died_is_found_next_to_one_that_lives(waiter, told):
    """A process of the other version does not hide the death."""
    with watched(waiter, told.append):
        first = next(pid for pid, stub in look(waiter.pid).items() if stub.slot and stub.slot.version == "1")
        os.kill(first, signal.SIGKILL)
        give_up = time.monotonic() + 30
        while "wait is back" not in told and time.monotonic() < give_up:
            time.sleep(0.1)
        assert [ask(waiter, 0, version) for version in ("1", "2")] == [0, 0]
        time.sleep(REST_S)
    assert told == ["a process of wait died: loading the model again", "wait is back"]


def test_an_old_process_that_dies_with_requests_is_found(waiter, told):
    """Its caller gets an error, although the process had been replaced."""
    now, failed = [0.0], []
    supervisor = Supervisor(waiter, told.append, clock=lambda: now[0])

    def lost():
        with pytest.raises(InferenceServerException):
            ask(waiter, 600)
        failed.append(True)

    asking = threading.Thread(target=lost)
    asking.start()
    time.sleep(0.5)
    old = next(pid for pid, stub in look(waiter.pid).items() if stub.slot and stub.slot.version == "2")
    os.utime(waiter.repository / "wait" / "2" / "model.py")
    waiter.load(["wait"])
    supervisor.check()
    os.kill(old, signal.SIGKILL)
    while not look(waiter.pid)[old].ended:
        time.sleep(0.01)
    supervisor.check()
    assert told == []
    now[0] = HELD_S + 1
    supervisor.check()
    asking.join(30)
    assert failed == [True]
    assert ask(waiter, 0) == 0
    assert told == [
        "an old process of wait died with requests: starting tritonserver again",
        "tritonserver is back",
    ]


def test_a_restarted_server_serves_what_it_served(pipeline, told):
    """A model that has been unloaded for some time is not loaded again."""
    now = [0.0]
    supervisor = Supervisor(pipeline, told.append, clock=lambda: now[0])
    found = look(pipeline.pid).items()
    processes = {pid for pid, stub in found if stub.slot and stub.slot.model == "try_on_stream"}
    with pipeline.client() as client:
        client.unload_model("try_on_stream")
    while processes & look(pipeline.pid).keys():  # Triton has reaped them; one that ended still counts
        time.sleep(0.01)
    now[0] = UNLOADED_S + 1
    supervisor.check()
    os.kill(pipeline.pid, signal.SIGKILL)
    while pipeline.alive:
        time.sleep(0.01)
    supervisor.check()
    models = {model for model, _ in pipeline.ready()}
    assert "try_on_stream" not in models
    assert "try_on" in models
    assert told == ["tritonserver died: starting it again", "tritonserver is back"]


def test_a_death_is_found_where_the_parent_ignores_its_children(tmp_path, told):
    """Deaths are found although the kernel forgets dead children where SIGCHLD is ignored."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        server = EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS)
        server.start()
    finally:
        signal.signal(signal.SIGCHLD, before)
    try:
        supervisor = Supervisor(server, told.append)
        kill_stub(server, "wait")
        check_until(supervisor, told, "wait is back")
    finally:
        server.stop()
