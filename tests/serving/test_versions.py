"""Releases on a real Triton: no pipeline changes to a stage's new version, and releases can be undone."""

import asyncio
import shutil
import threading
import time
from contextlib import ExitStack, suppress

import numpy as np
import onnx
import pytest
from small_servers import png
from tiny_repository import write_repository
from vitrine import AsyncVitrine, NotFound, TryOn, Unavailable, Vitrine
from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.command import main
from vitrine_measure.gateway_soak.victims import TRY_ON
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.watching import watched
from vitrine_orchestrator.manifest import manifest_text, read_releases

LATENTS = np.full((1, 4, 32, 24), 0.25, np.float32)


def inverted(repository):
    """Make a repository's decoder paint the inverted colours."""
    path = repository / "vae_decoder" / "1" / "model.onnx"
    model = onnx.load(path)
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(-weights, "spread"))
    onnx.save(model, path)
    for manifest in repository.glob("*/1/manifest.json"):  # as an export records its files
        said = read_releases(manifest.parent)
        said["idm_vton"]["files"] |= {"vae_decoder/1/model.onnx": file_digest(path)}
        manifest.write_text(manifest_text(said))
    return repository


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A repository and the supervised server of its try-on; each test leaves only release 1 in it."""
    repository = write_repository(tmp_path_factory.mktemp("versions") / "repository")
    told: list[str] = []
    triton = EmbeddedTriton(repository, models=TRY_ON, ports=ANY_PORTS)
    with triton as server, watched(server, told.append):
        yield repository, server
    assert told == []  # no release that comes or goes is a death


@pytest.fixture
def ask(served, person, garment):
    """The bytes of the picture of a try-on with this release."""
    _, server = served
    asked = {
        "person": np.array([person], object),
        "garment": np.array([garment], object),
        "seed": np.array([3], np.uint64),
        "steps": np.array([2], np.int32),
    }
    with Vitrine(server.grpc, timeout_s=120) as vitrine:
        yield lambda version="": vitrine.infer("try_on", asked, version=version)["image"][0]


@pytest.fixture
def decode(served):
    """The output of the decoder alone, in this version."""
    with Vitrine(served[1].grpc, timeout_s=120) as vitrine:
        yield lambda version="": vitrine.infer("vae_decoder", {"latents": LATENTS}, version=version)["pixels"]


def published(repository, server, source):
    """Add a release and load it by the command; returns its exit code."""
    return main(["publish", str(source), "--into", str(repository), "--url", server.grpc])


def withdrawn(repository, server, version):
    """Withdraw a release by the command."""
    assert main(["withdraw", str(version), "--into", str(repository), "--url", server.grpc]) == 0


def test_a_stage_s_new_version_changes_no_pipeline(served, ask, decode, tmp_path):
    """Direct callers of the stage get the new version; `try_on` keeps its release's."""
    repository, server = served
    before = ask()
    new = inverted(write_repository(tmp_path / "new")) / "vae_decoder" / "1"
    shutil.copytree(new, repository / "vae_decoder" / "2")
    server.load(["vae_decoder"])
    assert ask() == before
    np.testing.assert_array_equal(decode(), -decode("1"))
    shutil.rmtree(repository / "vae_decoder" / "2")
    server.load(["vae_decoder"])


def test_several_releases_are_served_and_pinned_clients_stay(served, ask, tmp_path, person, garment):
    """On both protocols a newer release changes nothing for a pinned client; a withdrawn one is an error."""
    repository, server = served
    asked = {"person": person, "garment": garment, "seed": 7, "steps": 2}
    with ExitStack() as opened:
        clients = [
            [
                opened.enter_context(Vitrine(getattr(server, protocol), protocol=protocol, release=release))
                for release in (None, 1)
            ]
            for protocol in ("grpc", "http")
        ]
        old = [(free.try_on(**asked), free.pipeline_digest()) for free, _ in clients]
        assert published(repository, server, inverted(write_repository(tmp_path / "new"))) == 0
        try:
            assert (repository / "vae_decoder" / "2").exists()
            assert not (repository / "denoise" / "2").exists()
            assert ask() == ask("2") != ask("1")
            for (free, pinned), (before, digest) in zip(clients, old, strict=True):
                newest, kept = free.try_on(**asked), pinned.try_on(**asked)
                assert kept.encoded == before.encoded != newest.encoded
                assert [one.report["versions"]["release"] for one in (kept, newest)] == ["1", "2"]
                assert pinned.pipeline_digest() == kept.report["pipeline_digest"] == digest
                assert free.pipeline_digest() == newest.report["pipeline_digest"] != digest
            *_, streamed = clients[0][1].try_on_stream(**asked)  # gRPC only
            assert streamed.encoded == old[0][0].encoded
        finally:
            withdrawn(repository, server, 2)
    for protocol in ("grpc", "http"):
        gone = Vitrine(getattr(server, protocol), protocol=protocol, release=2)
        with gone, pytest.raises((NotFound, Unavailable)):
            gone.try_on(**asked, timeout_s=5)


def test_requests_in_flight_finish_while_their_release_is_withdrawn(served, ask, tmp_path):
    """A request that began with a release ends with it; later ones get the release before."""
    repository, server = served
    before, got = ask(), []
    assert published(repository, server, inverted(write_repository(tmp_path / "new"))) == 0
    want = ask()
    asking = [threading.Thread(target=lambda: got.append(ask("2"))) for _ in range(4)]
    for one in asking:
        one.start()
    with server.client() as client:
        while not client.get_inference_statistics("prepare_text", "2").model_stats[0].inference_count:
            pass
    withdrawn(repository, server, 2)
    for one in asking:
        one.join()
    assert set(got) == {want} != {before}
    assert ask() == before
    with pytest.raises((NotFound, Unavailable)):
        ask("2")


async def test_a_version_is_unloaded_after_many_streams(served):
    """Triton keeps no request of a stream, whether its caller stayed to the end or left."""
    _, server = served
    generator = np.random.default_rng(24)

    async def stream(vitrine, number, person, garment):
        with suppress(TimeoutError):
            async with asyncio.timeout(120 if number % 4 else number / 20):
                asked = vitrine.try_on_stream(person=person, garment=garment, steps=4)
                return [event async for event in asked]

    for _ in range(3):  # streams that were cancelled at their last response were kept in most rounds
        drawn = generator.integers(0, 255, (24, 2, 256, 192, 3), dtype=np.uint8)
        pictures = [(png(person), png(garment)) for person, garment in drawn]
        async with AsyncVitrine(server.grpc, timeout_s=120) as vitrine:
            asked = (stream(vitrine, number, *two) for number, two in enumerate(pictures))
            ended = await asyncio.gather(*asked)
        assert sum(events is not None and isinstance(events[-1], TryOn) for events in ended) >= 18
        with server.client() as client:
            client.unload_model("try_on_stream")
            give_up = time.monotonic() + 30
            while state_of(client, "try_on_stream") != "UNAVAILABLE":
                assert time.monotonic() < give_up, "a request of it was kept"
                await asyncio.sleep(0.1)
        server.load(["try_on_stream"])


def state_of(client, name):
    """Triton's state of a model with one version."""
    return next(one.state for one in client.get_model_repository_index().models if one.name == name)


def test_a_broken_release_serves_nobody(served, ask, tmp_path, capsys):
    """The load fails with model and reason, the old release serves, and a good one can follow."""
    repository, server = served
    before = ask()
    broken = write_repository(tmp_path / "broken")
    (broken / "vae_decoder" / "1" / "model.onnx").write_bytes(b"no network")
    assert published(repository, server, broken) == 1
    said = capsys.readouterr().err
    assert "release failed: vae_decoder could not be loaded: " in said
    assert "vitrine-export withdraw 2 clears the folders away" in said
    assert ask() == before
    withdrawn(repository, server, 2)
    assert ask() == before
    with server.client() as client:
        assert client.is_model_ready("try_on")
        assert not client.is_server_ready()  # Triton remembers the failure until a version 2 is loaded
    assert published(repository, server, inverted(write_repository(tmp_path / "good"))) == 0
    with server.client() as client:
        assert client.is_server_ready()
    assert ask() != before
    withdrawn(repository, server, 2)


def test_commands_that_reached_no_server_are_repeated_with_one(served, ask, tmp_path, capsys):
    """Publishing again loads what is on disk; withdrawing again unloads what has no folder any more."""
    repository, server = served
    before, new = ask(), inverted(write_repository(tmp_path / "new"))
    assert main(["publish", str(new), "--into", str(repository)]) == 0
    assert ask() == before
    assert published(repository, server, new) == 0
    assert ask() == ask("2") != before
    assert main(["withdraw", "2", "--into", str(repository)]) == 0
    assert ask() != before
    assert published(repository, server, new) == 1
    assert "is loaded, which the repository lacks; withdraw 2 unloads it" in capsys.readouterr().err
    withdrawn(repository, server, 2)
    assert ask() == before
    assert not any(repository.glob("*/2"))


def test_a_missing_version_is_reported_and_not_replaced(served, ask):
    """A pipeline without its stage is unavailable, and the error names both."""
    _, server = served
    with server.client() as client:
        client.unload_model("vae_decoder")
    with pytest.raises(Unavailable, match="version 1 of stage vae_decoder is not loaded"):
        ask()
    server.load(["vae_decoder"])
    assert ask()
