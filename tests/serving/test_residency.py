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
from vitrine import Retry, Vitrine, VitrineError
from vitrine.command import main
from vitrine.errors import Unavailable
from vitrine_export.command import main as release
from vitrine_measure.load.watch import scrape, total
from vitrine_orchestrator.embedded.budget import BudgetedTriton
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.processes import stubs
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.supervisor import Supervisor
from vitrine_orchestrator.embedded.watching import watched
from vitrine_orchestrator.residency.meter import ProcessMeter
from vitrine_orchestrator.stages.cut_out import NETWORK
from waiter import check_until, kill_stub

MODELS = ["cut_out", NETWORK, "prepare_text", "text_encoder", "text_encoder_2"]
MIB = 2**20
TURNS = range(2)
NEW = count(40)  # of pictures and descriptions that no cache has
SERVER_MIB, OWNER_MIB = 45, 15  # tritonserver with few models; the owner's process, above a pipeline's


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A repository, what a server without a budget answers, and what its models then take, in bytes.

    Each model is asked once, as the tests ask it: one that has answered many requests takes more.
    """
    repository = write_repository(tmp_path_factory.mktemp("budget") / "repository")
    add_cut_out(repository)
    for _ in range(2):  # the first server prepares the graphs, which takes memory too
        triton = EmbeddedTriton(repository, models=MODELS, ports=ANY_PORTS)
        with triton as server, Vitrine(server.grpc) as asking:
            answers = [(asking.cut_out(picture(turn)).encoded, texts(asking, turn)) for turn in TURNS]
            taken = ProcessMeter(server.pid).read().models
    return repository, answers, taken


def budgeted(plain, networks):
    """A server with room for so many networks at work."""
    repository, _, taken = plain
    always = taken["cut_out"] + 2 * taken["prepare_text"] + (SERVER_MIB + OWNER_MIB) * MIB
    budget = always + round(networks * taken["text_encoder"])
    environment = {**os.environ, "VITRINE_MEMORY_RESERVE": "8MiB", "VITRINE_MEMORY_WAIT_S": "60"}
    return BudgetedTriton(f"{budget}B", repository, models=MODELS, ports=ANY_PORTS, environment=environment)


@pytest.fixture(scope="module")
def small(plain):
    """A server with room for two of the three networks, one of them at rest."""
    with budgeted(plain, 1.7) as server:
        yield server


@pytest.fixture(scope="module")
def client(small):
    """A client that does not repeat what failed."""
    with Vitrine(small.grpc, timeout_s=90, retry=Retry(tries=1)) as vitrine:
        yield vitrine


@contextlib.contextmanager
def sampled(server):
    """Samples of the memory of all the server's processes, while the block runs."""
    samples, over, meter = [], threading.Event(), ProcessMeter(server.pid)

    def sample():
        samples.append(meter.read().total)
        while not over.wait(0.05):
            samples.append(meter.read().total)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def picture(number):
    """A picture of its own for each number, encoded."""
    pixels = np.array(red_disc(96, 64, 20))
    pixels[0, 0] = number
    return png(pixels)


def texts(vitrine, number):
    """The features of a description of its own for each number, of words that the tiny tokenizers know."""
    words = f"a photo of word{number}".encode()
    return vitrine.infer("prepare_text", {"description": np.array([words], object)})


def unloaded(server):
    """A network that is not in memory; one of the three never is."""
    return next(one["name"] for one in server.owner()["models"] if one["state"] == "unloaded")


def use(client, network):
    """One request that needs a network, by whatever name Triton knows it."""
    if network.startswith(NETWORK):
        assert client.cut_out(picture(next(NEW))).image.size == (96, 64)
    else:
        texts(client, next(NEW))


def used_again(client, network):
    """One request as soon as the network can be used again."""
    give_up = time.monotonic() + 60
    while True:
        with contextlib.suppress(VitrineError):
            return use(client, network)
        assert time.monotonic() < give_up
        time.sleep(0.2)


def test_networks_at_rest_share_the_memory_of_their_work(plain):
    """With room for two of three at work, nothing is loaded again, and answers and memory are right."""
    _, answers, _ = plain
    with budgeted(plain, 2.6) as server, Vitrine(server.grpc, timeout_s=90) as vitrine:
        for network in (NETWORK, "text_encoder"):  # their sizes are estimates until then
            use(vitrine, network)
        time.sleep(0.5)  # metrics are published every 0.2 s
        loads = total(scrape(server.metrics), "vitrine_memory_loads_total")
        with sampled(server) as samples:
            for turn, (cut, _) in zip(TURNS, answers, strict=True):
                assert vitrine.cut_out(picture(turn)).encoded == cut
                texts(vitrine, turn)
        state = server.owner()
        assert max(samples) <= state["budget"]
        time.sleep(0.5)  # metrics are published every 0.2 s
        metrics = scrape(server.metrics)
        assert total(metrics, "vitrine_memory_loads_total") == loads
        assert total(metrics, "vitrine_memory_rests_total") > 0
        assert not state["all_fit"]


def test_two_pipelines_take_turns_within_the_budget(small, client, plain, capsys):
    """Both are answered as by a server that holds all; the memory is never above the budget."""
    _, answers, _ = plain
    budget = small.owner()["budget"]
    with sampled(small) as samples:
        for turn, (cut, theirs) in zip(TURNS, answers, strict=True):
            assert client.cut_out(picture(turn)).encoded == cut
            mine = texts(client, turn)
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


def wait_for_books(server, client):
    """Wait until the owner's books are true and within the budget; the names of what is loaded."""
    give_up, meter = time.monotonic() + 30, ProcessMeter(server.pid)
    while True:
        state = server.owner()
        names = {one["name"] for one in state["models"]}
        within = meter.read(anew=True).total <= state["budget"]
        if state["ready"] and within and adopted(state) == inside(client, names):
            return adopted(state)
        assert time.monotonic() < give_up, f"{adopted(state)} of {inside(client, names)} in {state}"
        time.sleep(0.1)


def test_what_others_unload_is_loaded_for_the_next_request(small, client, capsys):
    """It is not shown as loaded meanwhile."""
    use(client, NETWORK)
    with small.client() as triton:
        for name in wait_for_books(small, client):
            triton.unload_model(name)
    assert main(["models", "--url", small.grpc]) == 0
    assert "RESIDENT" not in capsys.readouterr().out
    used_again(client, NETWORK)
    used_again(client, "text_encoder")


def test_what_others_load_is_counted(small, client):
    """With all three networks the budget is exceeded, until others leave."""
    network = unloaded(small)
    with small.client() as triton:
        triton.load_model(network)
    assert wait_for_books(small, client)
    use(client, NETWORK)
    use(client, "text_encoder")


def test_a_release_is_not_loaded_by_hand(small, capsys):
    """A publish or a withdrawal of everything would load every network at once; nothing is changed."""
    before = sorted(small.repository.rglob("*"))
    words = ["--into", str(small.repository), "--url", small.grpc]
    assert release(["publish", str(small.repository), *words]) == 1
    assert release(["withdraw", "1", *words]) == 1
    assert capsys.readouterr().err.count("has a memory budget") == 2
    assert sorted(small.repository.rglob("*")) == before


def kill_as_soon_as_there(server, network):
    """Kill the process of a network that is about to be loaded."""
    found = []
    while not found:
        found = [pid for pid, name in stubs(server).items() if name == network]
    os.kill(found[0], signal.SIGKILL)


def test_a_killed_load_is_repeated_and_the_call_answered(small, client):
    """Its caller waits for the second load; the server goes on.

    On a busy machine a kill can come after the end of the load; then it is tried with the next load.
    """
    server = small.pid
    for _ in range(10):
        network, answered = unloaded(small), False
        killing = threading.Thread(target=kill_as_soon_as_there, args=(server, network))
        killing.start()
        with contextlib.suppress(VitrineError):
            use(client, network)
            answered = True
        killing.join()
        assert small.pid == server
        if f"{network}_again_1" in {one["name"] for one in small.owner()["models"]}:
            assert answered
            return
        used_again(client, network)
    pytest.fail("none of ten kills has met a load")


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
    used_again(client, network)


def adopted(state):
    """The networks that the owner holds for loaded."""
    return {one["name"] for one in state["models"] if one["state"] not in ("unloaded", "loading")}


def inside(client, names):
    """Those of these models that Triton holds."""
    return names & {model.name for model in client.models() if model.ready}


def test_an_owner_that_was_killed_takes_over_again(small, client):
    """The supervisor loads it; it adopts what is loaded, and both pipelines are answered.

    What was loaded before can be unloaded until then, for calls of the tests before: Triton tells.
    """
    told = []
    supervisor = Supervisor(small, told.append)
    kill_stub(small, "residency")
    check_until(supervisor, told, "residency is back")
    assert told == ["a process of residency died: loading the model again", "residency is back"]
    assert wait_for_books(small, client)
    use(client, NETWORK)
    use(client, "text_encoder")


def test_a_pipeline_that_is_killed_during_a_load_leaves_no_lease(small, client):
    """Its request fails; the supervisor restores it, and the memory that it had leased can be given away.

    The last test: a server that was started again ends with the thread that watches it.
    """
    network, told = unloaded(small), []
    pipeline = "cut_out" if network.startswith(NETWORK) else "prepare_text"
    (process,) = [pid for pid, name in stubs(small.pid).items() if name == pipeline]
    server = small.pid

    def kill():
        while network not in stubs(server).values():
            time.sleep(0.01)
        os.kill(process, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    with watched(small, told.append):
        with pytest.raises(VitrineError):
            use(client, network)
        killing.join()
        for other in (NETWORK, "text_encoder", NETWORK):
            used_again(client, other)
    assert f"a process of {pipeline} died: loading the model again" in told
