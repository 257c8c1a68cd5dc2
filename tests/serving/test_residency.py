"""A real server whose memory budget holds one of two small pipelines."""

import contextlib
import os
import signal
import threading
import time
from itertools import count

import numpy as np
import pytest
from small_servers import png
from tiny_cut_out import add_cut_out, red_disc
from tiny_repository import write_repository
from vitrine import Vitrine
from vitrine.command import main
from vitrine.errors import Unavailable
from vitrine_measure.load.watch import scrape, total
from vitrine_orchestrator.embedded.budget import BudgetedTriton
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.supervisor import Supervisor, stubs
from vitrine_orchestrator.residency.meter import ProcessMeter
from vitrine_orchestrator.stages.cut_out import NETWORK
from waiter import kill_stub

MODELS = ["cut_out", NETWORK, "prepare_text", "text_encoder", "text_encoder_2"]
MIB = 2**20
WORDS = count(40)  # of descriptions that no cache has: words that the tiny tokenizers know
SERVER_MIB, OWNER_MIB = 45, 15  # tritonserver with few models; the owner's process, above a pipeline's
PICTURE = png(red_disc(96, 64, 20))


def memory_for_two_networks(triton):
    """A budget with room for two of the three networks, by what the same models take on another server."""
    taken = ProcessMeter(triton.pid).read().models
    always = taken["cut_out"] + 2 * taken["prepare_text"] + (SERVER_MIB + OWNER_MIB) * MIB
    return always + round(2.4 * taken["text_encoder"])


@pytest.fixture(scope="module")
def small(triton, tmp_path_factory):
    """The server."""
    repository = write_repository(tmp_path_factory.mktemp("budget") / "repository")
    add_cut_out(repository)
    environment = {**os.environ, "VITRINE_MEMORY_RESERVE": "8MiB", "VITRINE_MEMORY_WAIT_S": "60"}
    budget = memory_for_two_networks(triton)
    server = BudgetedTriton(f"{budget}B", repository, models=MODELS, ports=ANY_PORTS, environment=environment)
    server.start()
    try:
        yield server
    finally:
        server.stop(0.5)  # a load that Triton waits for does not end


@pytest.fixture(scope="module")
def client(small):
    """A client that does not repeat what failed."""
    with Vitrine(small.grpc, timeout_s=90) as vitrine:
        yield vitrine


@contextlib.contextmanager
def sampled(server):
    """Samples of the memory of all the server's processes, while the block runs."""
    samples, over, meter = [], threading.Event(), ProcessMeter(server.pid)

    def sample():
        while not over.wait(0.05):
            samples.append(meter.read().total)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def texts(vitrine, words):
    """The features of a description that no cache has."""
    return vitrine.infer("prepare_text", {"description": np.array([words.encode()], object)})


def unloaded(server):
    """A network that is not in memory; one of the three never is."""
    return next(one["name"] for one in server.owner()["models"] if one["state"] == "unloaded")


def use(client, network):
    """One request that needs a network, by whatever name Triton knows it."""
    if network.startswith(NETWORK):
        assert client.cut_out(PICTURE).image.size == (96, 64)
    else:
        texts(client, f"a photo of word{next(WORDS)}")


def test_two_pipelines_take_turns_within_the_budget(small, client, vitrine, capsys):
    """Both are answered as by a server that holds all; the memory is never above the budget."""
    wanted = vitrine.cut_out(PICTURE).encoded
    budget = small.owner()["budget"]
    with sampled(small) as samples:
        for turn in range(2):
            assert client.cut_out(PICTURE).encoded == wanted
            words = f"a red shirt {turn}"
            mine, theirs = texts(client, words), texts(vitrine, words)
            for name in mine.keys() - {"report"}:
                assert np.array_equal(mine[name], theirs[name])
    assert max(samples) <= budget, f"{max(samples) / MIB:.0f} MiB of {budget / MIB:.0f} MiB"
    time.sleep(0.5)  # metrics are published every 0.2 s
    metrics = scrape(small.metrics)
    assert total(metrics, "vitrine_memory_loads_total") >= 5
    assert total(metrics, "vitrine_memory_evictions_total") >= 3
    assert total(metrics, "vitrine_stage_wait_seconds_total") > 0
    assert main(["models", "--url", small.grpc]) == 0
    assert "UNLOADED" in capsys.readouterr().out


def test_a_killed_load_is_repeated_and_the_call_answered(small, client):
    """Its caller waits for the second load; the server goes on."""
    network, killed, server = unloaded(small), [], small.pid

    def kill():
        while not killed:
            killed.extend(pid for pid, name in stubs(server).items() if name == network)
        os.kill(killed[0], signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    use(client, network)
    killing.join()
    assert small.pid == server
    assert f"{network}_again_1" in {one["name"] for one in small.owner()["models"]}


def test_a_load_that_fails_names_its_model_and_is_tried_again(small, client):
    """The other pipeline goes on meanwhile; when the file is back, so is the model."""
    network = unloaded(small)
    name = network.partition("_again_")[0]
    file = small.repository / name / "1" / "model.onnx"
    away = file.rename(file.with_suffix(".away"))
    with pytest.raises(Unavailable, match=rf"model {name} could not be loaded \(.*missing"):
        use(client, network)
    use(client, "text_encoder" if name == NETWORK else NETWORK)
    away.rename(file)
    give_up = time.monotonic() + 60
    while True:
        with contextlib.suppress(Unavailable):
            use(client, network)
            break
        assert time.monotonic() < give_up
        time.sleep(0.2)


def test_an_owner_that_was_killed_takes_over_again(small, client):
    """The supervisor loads it; it adopts what is loaded, and both pipelines are answered."""
    told, inside = [], {one["name"] for one in small.owner()["models"] if one["state"] == "resident"}
    supervisor = Supervisor(small, told.append)
    kill_stub(small, "residency")
    supervisor.check()
    assert told == ["a process of residency died: loading the model again", "residency is back"]
    while not (state := small.owner())["ready"]:
        time.sleep(0.1)
    assert inside <= {one["name"] for one in state["models"] if one["state"] in ("resident", "unloading")}
    use(client, NETWORK)
    use(client, "text_encoder")
