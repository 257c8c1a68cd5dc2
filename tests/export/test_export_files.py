"""The command `vitrine-export onnx`: each file is compared with torch, kept whole and written once."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.command import main
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import onnx_file, run_export
from vitrine_export.exporting.network import stage_network
from vitrine_export.exporting.onnx_file import difference, session, write
from vitrine_orchestrator.manifest import read_manifest, read_releases
from vitrine_orchestrator.stages import networks, stage, stages_of
from vitrine_orchestrator.try_on.facts import FAMILY, read_facts
from vitrine_orchestrator.try_on.tokens import Tokens

QUICK = ("text_encoder_2", "image_encoder", "parsing_atr", "parsing_lip", "densepose", "prepare_text")
"""The stages whose graphs are small enough to be exported in a test."""


@pytest.fixture(scope="module")
def exported(tiny_checkpoint, tmp_path_factory):
    """A repository with the quick stages."""
    out = tmp_path_factory.mktemp("repository")
    words = ["onnx", "--checkpoint", str(tiny_checkpoint), "--out", str(out), "--jobs", "1"]
    words += ["--stages", *QUICK]
    assert main(words) == 0
    return out


class Twice(nn.Module):
    """A network that doubles its pixels, and adds `slip` once the batch is 1."""

    def __init__(self, slip: float = 0.0) -> None:
        super().__init__()
        self.slip = slip

    def forward(self, pixels):
        return pixels * 2 + (self.slip if torch.onnx.is_in_onnx_export() else 0.0)


def network(module, dtype=torch.float32):
    row = stage("vae_decoder")
    return stage_network(row, module, dtype)


def quick_rows(exported):
    return [row for row in networks() if row.name in QUICK]


def test_files_have_the_stage_tables_names_types_and_sizes(exported):
    """Files have the stage table's names whatever the networks use, and their batch varies."""
    for row in quick_rows(exported):
        graph = onnx.load(exported / row.name / "1" / "model.onnx").graph
        for value, tensor in zip([*graph.input, *graph.output], [*row.inputs, *row.outputs], strict=True):
            dims = value.type.tensor_type.shape.dim
            assert value.name == tensor.name
            assert dims[0].dim_param
            assert len(dims) == 1 + len(tensor.dims)


def test_a_batch_gives_what_single_rows_give(exported):
    """Three rows in one call equal the rows alone, for every stage."""
    for row in quick_rows(exported):
        opened = session(exported / row.name / "1" / "model.onnx")
        shapes = {i.name: (3, *i.shape[1:]) for i in opened.get_inputs()}
        draw = np.random.default_rng(1)
        kinds = {"FP32": np.float32, "INT64": np.int64, "UINT8": np.uint8}
        inputs = {t.name: draw.integers(0, 200, shapes[t.name]).astype(kinds[t.dtype]) for t in row.inputs}
        singles = [opened.run(None, {n: v[i : i + 1] for n, v in inputs.items()}) for i in range(3)]
        for together, *apart in zip(opened.run(None, inputs), *singles, strict=True):
            assert difference([together], [np.concatenate(apart)]) < 1e-5, row.name


def test_a_second_run_does_nothing(exported, tiny_checkpoint, capsys, monkeypatch):
    """A second run exports nothing and changes no file."""
    monkeypatch.setattr(run_export, "carry_out", lambda work, jobs: pytest.fail(f"exports {work.stale}"))
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*") if path.is_file()}
    words = ["onnx", "--checkpoint", str(tiny_checkpoint), "--out", str(exported), "--stages", *QUICK]
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in exported.rglob("*") if path.is_file()}


def test_only_a_damaged_file_is_made_again(tiny_checkpoint, tmp_path):
    """A changed file is replaced, and the others are not touched."""
    words = ["onnx", "--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path), "--jobs", "1", "--stages"]
    assert main([*words, "parsing_atr", "densepose"]) == 0
    kept, damaged = (tmp_path / name / "1" / "model.onnx" for name in ("parsing_atr", "densepose"))
    before, whole = kept.stat().st_mtime_ns, damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    assert main([*words, "parsing_atr", "densepose"]) == 0
    assert damaged.read_bytes() == whole
    assert kept.stat().st_mtime_ns == before


def test_several_processes_give_the_same_files(tiny_checkpoint, exported, tmp_path):
    """Several processes write the files of one process, and the manifest lists them all."""
    stages = ("parsing_atr", "parsing_lip", "densepose")
    words = ["onnx", "--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path), "--jobs", "2"]
    assert main([*words, "--stages", *stages]) == 0
    for name in stages:
        file = f"{name}/1/model.onnx"
        assert (tmp_path / file).read_bytes() == (exported / file).read_bytes()
        assert file in read_manifest(tmp_path / "denoise" / "1", FAMILY).files


def test_every_model_of_ours_has_the_manifest(exported, tiny_checkpoint):
    """The orchestrator reads sizes, digests, precision and files from the manifest."""
    folders = [exported / row.name / "1" for row in stages_of(FAMILY) if row.needs_manifest]
    assert len({(folder / "manifest.json").read_bytes() for folder in folders}) == 1
    manifest = read_manifest(folders[0], FAMILY)
    assert manifest.digest == open_checkpoint(tiny_checkpoint).digest()
    facts = read_facts(manifest)
    assert (facts.width, facts.height, facts.factor) == (192, 256, 8)
    assert (facts.context_width, facts.pooled_width, facts.image_tokens) == (16, 8, 16)
    assert {name.split("/")[0] for name in manifest.files} == set(QUICK)
    precision = read_releases(folders[0])[FAMILY]["precision"]
    assert set(precision.values()) == {"fp32"}


@pytest.mark.parametrize("number", [0, 1])
def test_token_ids_are_transformers(exported, tiny_checkpoint, number):
    """The exported tokenizer with the manifest's padding gives the ids of the released one."""
    from transformers import CLIPTokenizer

    folder = exported / "prepare_text" / "1"
    name = ("tokenizer", "tokenizer_2")[number]
    ours = Tokens(folder / f"{name}.json", read_facts(read_manifest(folder, FAMILY)).pad_ids[number])
    theirs = CLIPTokenizer.from_pretrained(tiny_checkpoint / name)
    for text in ("a Red  coat, striped!", "", "long " * 60):
        wanted = theirs(text, padding="max_length", max_length=77, truncation=True).input_ids
        assert ours(text).tolist() == wanted


def test_a_file_that_is_wrong_is_not_kept(tmp_path):
    """The message has stage, difference and limit; no file is left, not even an older one."""
    old = tmp_path / "vae_decoder" / "1" / "model.onnx"
    old.parent.mkdir(parents=True)
    old.write_text("an older one")
    with pytest.raises(ExportFailed, match=r"vae_decoder: ONNX is \d\.\de-01 from torch, allowed 1e-03"):
        write("vae_decoder", network(Twice(slip=1.0)), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_nan_is_wrong(tmp_path):
    """A float16 graph that overflows is refused, although torch overflows too."""
    with pytest.raises(ExportFailed, match="ONNX is inf from torch"):
        write("vae_decoder", network(Overflowing(), torch.float16), tmp_path)


class Overflowing(nn.Module):
    def forward(self, latents):
        return (latents * 60000) * 2 - (latents * 60000) * 2


def test_a_network_that_does_not_export(tmp_path):
    """The error has the exporter's own words in one line."""
    with pytest.raises(ExportFailed, match=r"^vae_decoder: torch.onnx cannot export it: .+"):
        write("vae_decoder", network(Undecided()), tmp_path)
    assert not list(tmp_path.rglob("*.onnx"))


class Undecided(nn.Module):
    def forward(self, latents):
        return latents * 2 if latents.sum().item() > 0 else latents


def test_one_failure_does_not_stop_the_others(tiny_checkpoint, tmp_path, monkeypatch, capsys):
    """Later stages are exported and the failure is reported at the end.

    The next run exports only the failed stage.
    """
    words = ["onnx", "--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path)]
    words += ["--jobs", "1", "--stages", "parsing_atr", "parsing_lip"]
    from vitrine_export.exporting import adopted_onnx as adopt

    right = adopt._itself
    wrong = {"parsing_atr"}
    monkeypatch.setattr(
        adopt,
        "_itself",
        lambda source, row: (
            (lambda x: [part + 1 for part in right(source, row)(x)])
            if row.name in wrong
            else right(source, row)
        ),
    )
    assert main(words) == 1
    assert "parsing_atr: in a batch ONNX is" in capsys.readouterr().err
    assert not (tmp_path / "parsing_atr" / "1" / "model.onnx").exists()
    made = (tmp_path / "parsing_lip" / "1" / "model.onnx").stat().st_mtime_ns
    wrong.clear()
    assert main(words) == 0
    assert (tmp_path / "parsing_lip" / "1" / "model.onnx").stat().st_mtime_ns == made


def test_half_precision_keeps_float32_tensors(tmp_path):
    """Weights and computation are float16, inputs and outputs float32."""
    proof = write("vae_decoder", network(nn.Conv2d(4, 3, 3).half(), torch.float16), tmp_path)
    graph = onnx.load(tmp_path / "vae_decoder" / "1" / "model.onnx").graph
    assert {tensor.data_type for tensor in graph.initializer} == {onnx.TensorProto.FLOAT16}
    kinds = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    assert proof.allowed == onnx_file.HALF_TOLERANCE


def test_large_weights_are_stored_next_to_the_graph(tmp_path, monkeypatch):
    """Above protobuf's limit the weights are in a second file, and both files load together."""
    monkeypatch.setattr(onnx_file, "EXTERNAL_FROM_BYTES", 100)
    write("vae_decoder", network(nn.Conv2d(4, 64, 3)), tmp_path)
    graph, weights = (tmp_path / "vae_decoder" / "1" / name for name in ("model.onnx", "model.onnx.data"))
    assert weights.stat().st_size >= 64 * 4 * 9 * 4 > graph.stat().st_size // 8
    assert session(graph).run(None, {"latents": np.zeros((1, 4, 8, 8), np.float32)})[0].shape == (1, 64, 6, 6)


def test_files_contain_nothing_of_the_machine_that_wrote_them(exported):
    """No node carries the paths of source files."""
    for path in exported.rglob("*.onnx"):
        assert not any(node.metadata_props for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("given", ["vae_decoder=int8", "unet=fp16", "densepose=fp16", "vae_decoder"])
def test_a_precision_that_cannot_be(given, capsys):
    """A wrong precision is refused before any file is opened."""
    with pytest.raises(SystemExit, match="2"):
        main(["onnx", "--checkpoint", "x", "--out", "y", "--precision", given])
    assert "--precision" in capsys.readouterr().err
