"""The parts of `vitrine-export real-size`, tried on nets of a small size."""

import onnx
import pytest
import torch
from vitrine_export.command import main
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import onnx_file, real_size, real_size_z_image
from vitrine_export.exporting.real_size import FAMILIES, PARTS, Figures, line
from vitrine_export.nets.z_image import ZImageConfig


@pytest.fixture
def small(monkeypatch, unet_configs):
    """Nets of one attention block, in place of the released ones."""
    for name, config in zip(("TRYON", "GARMENT"), unet_configs, strict=True):
        monkeypatch.setattr(real_size, name, config)


def run_parts(family, graph, folder):
    """Run the parts of a graph's trial in this process; returns their figures by part."""
    return {name: PARTS[name](graph, folder) for name in FAMILIES[family][graph].parts}


def test_the_parts_of_a_graph_follow_each_other(small, tmp_path):
    """Export, a run in torch and one in onnxruntime report time, memory, size and difference."""
    figures = run_parts("idm-vton", "conditioning", tmp_path)
    assert figures["export"].file_bytes == (tmp_path / "conditioning.onnx").stat().st_size
    assert 0 < figures["onnxruntime"].worst < 2e-2
    assert all(f.seconds > 0 and f.peak_bytes > 100 * 2**20 for f in figures.values())


def test_random_weights_are_the_same_in_every_process(small):
    """Torch and onnxruntime compute the same net in different processes."""
    first, second = (real_size._network("unet").module.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(tensor.isnan().any() for tensor in first.values())


def test_figures_are_printed_in_one_line():
    """Figures are printed in readable units."""
    told = line(Figures("unet", "export", 12.34, 3 * 2**30, 6 * 2**30))
    assert told == "unet         export         12.3 s · peak  3.00 GiB · file  6.00 GiB"


def test_a_part_that_dies_is_reported(monkeypatch, tmp_path):
    """A part that the kernel kills for its memory is reported."""
    monkeypatch.setattr(real_size.sys, "executable", "/bin/false")
    with pytest.raises(ExportFailed, match="unet: the part export ended with 1"):
        real_size._in_a_process("idm-vton", "unet", "export", tmp_path)


@pytest.fixture
def small_z_image(monkeypatch):
    """A narrow transformer in place of the released one, whose weights get a file of their own."""
    sizes = {"dim": 48, "n_layers": 1, "n_refiner_layers": 1, "n_heads": 2, "cap_feat_dim": 32}
    monkeypatch.setattr(real_size_z_image, "RELEASED", ZImageConfig(**sizes, axes_dims=(8, 8, 8)))
    monkeypatch.setattr(onnx_file, "EXTERNAL_FROM_BYTES", 0)


@pytest.mark.usefixtures("small_z_image")
def test_the_whole_of_z_image_is_exported_in_bfloat16_and_checked(tmp_path):
    """Weights are bfloat16, positions stay float32; a file of weights that is cut short is refused."""
    figures = run_parts("z-image", "transformer", tmp_path)
    assert set(figures) == {"export", "checker"}
    graph = onnx.load(tmp_path / "transformer.onnx", load_external_data=False).graph
    shapes = {kind: [] for kind in (onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT)}
    for one in graph.initializer:
        shapes.setdefault(one.data_type, []).append(sorted(one.dims))
    assert [48, 128] in shapes[onnx.TensorProto.BFLOAT16]  # the feed-forward's
    assert [4, 1536] in shapes[onnx.TensorProto.FLOAT]  # positions of the first axis
    assert [256, 1024] in shapes[onnx.TensorProto.FLOAT]  # the time's embedding
    assert [48, 128] not in shapes[onnx.TensorProto.FLOAT]
    weights = tmp_path / "transformer.onnx.data"
    weights.write_bytes(weights.read_bytes()[:-64])
    with pytest.raises((ExportFailed, onnx.checker.ValidationError)):
        PARTS["checker"]("transformer", tmp_path)


@pytest.mark.usefixtures("small_z_image")
def test_one_block_of_z_image_is_run_in_float32(tmp_path):
    """Its three parts follow each other, and onnxruntime gives what torch gives."""
    figures = run_parts("z-image", "block", tmp_path)
    assert figures["onnxruntime"].worst < 1e-4
    assert figures["export"].file_bytes > 4 * 12 * 48**2


def test_a_graph_of_another_family_is_refused(tmp_path, capsys):
    """The message names the family's own graphs."""
    assert main(["real-size", "--family", "z-image", "--graphs", "unet", "--out", str(tmp_path)]) == 1
    assert "graphs of z-image must be of block, transformer, got unet" in capsys.readouterr().err
