"""Releases on a real Triton: no pipeline changes to a stage's new version, and releases can be undone."""

import shutil
import threading

import numpy as np
import onnx
import pytest
from conftest import ANY_PORTS
from tiny_repository import write_repository
from vitrine import NotFound, Unavailable, Vitrine
from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.command import main
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
    """A repository and its supervised server; each test leaves only release 1 in it."""
    repository = write_repository(tmp_path_factory.mktemp("versions") / "repository")
    told: list[str] = []
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server, watched(server, told.append):
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


def test_releases_stand_side_by_side_and_roll_back(served, ask, tmp_path):
    """Calls without a version get the new release, version 1 is unchanged, and withdrawing works."""
    repository, server = served
    before = ask()
    assert published(repository, server, inverted(write_repository(tmp_path / "new"))) == 0
    assert (repository / "vae_decoder" / "2").exists()
    assert not (repository / "denoise" / "2").exists()
    after = ask()
    assert after != before
    assert ask("1") == before
    assert ask("2") == after
    withdrawn(repository, server, 2)
    assert ask() == before
    with pytest.raises((NotFound, Unavailable)):
        ask("2")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_pinned_client_stays_with_its_release(served, tmp_path, person, garment, protocol):
    """A newer release changes nothing for it; a withdrawn release raises an error."""
    repository, server = served
    at = getattr(server, protocol)
    asked = {"person": person, "garment": garment, "seed": 7, "steps": 2}
    with Vitrine(at, protocol=protocol) as free, Vitrine(at, protocol=protocol, release=1) as pinned:
        before, digest = free.try_on(**asked), free.pipeline_digest()
        assert published(repository, server, inverted(write_repository(tmp_path / "new"))) == 0
        try:
            newest, kept = free.try_on(**asked), pinned.try_on(**asked)
            digests = pinned.pipeline_digest(), free.pipeline_digest()
            streamed = list(pinned.try_on_stream(**asked))[-1] if protocol == "grpc" else kept
        finally:
            withdrawn(repository, server, 2)
    assert kept.encoded == before.encoded == streamed.encoded != newest.encoded
    assert [one.report["versions"]["release"] for one in (kept, newest)] == ["1", "2"]
    assert digests == (kept.report["pipeline_digest"], newest.report["pipeline_digest"])
    assert digests[0] == digest != digests[1]
    with Vitrine(at, protocol=protocol, release=2) as gone, pytest.raises((NotFound, Unavailable)):
        gone.try_on(**asked, timeout_s=5)


def test_requests_in_flight_finish_while_their_release_is_withdrawn(served, ask, tmp_path, person, garment):
    """A request that began with a release ends with it."""
    repository, server = served
    assert published(repository, server, inverted(write_repository(tmp_path / "new"))) == 0
    want, got = ask(), []
    asking = [threading.Thread(target=lambda: got.append(ask("2"))) for _ in range(4)]
    for one in asking:
        one.start()
    with server.client() as client:
        while not client.get_inference_statistics("prepare_text", "2").model_stats[0].inference_count:
            pass
    withdrawn(repository, server, 2)
    for one in asking:
        one.join()
    assert set(got) == {want}


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


def test_a_missing_version_is_told_and_not_replaced(served, ask):
    """A pipeline without its stage is unavailable, and the error names both."""
    _, server = served
    with server.client() as client:
        client.unload_model("vae_decoder")
    with pytest.raises(Unavailable, match="version 1 of stage vae_decoder is not loaded"):
        ask()
    server.load(["vae_decoder"])
    assert ask()
