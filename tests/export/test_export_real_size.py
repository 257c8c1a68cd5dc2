"""The parts of `vitrine-export real-size`, tried on nets of a small size."""

import pytest
import torch
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import real_size
from vitrine_export.exporting.real_size import PARTS, Figures, line


@pytest.fixture
def small(monkeypatch, unet_configs):
    """Nets of one attention block, in place of the released ones."""
    for name, config in zip(("TRYON", "GARMENT"), unet_configs, strict=True):
        monkeypatch.setattr(real_size, name, config)


def test_the_parts_of_a_graph_follow_each_other(small, tmp_path):
    """Export, a run in torch and one in onnxruntime report time, memory, size and difference."""
    figures = {name: part("conditioning", tmp_path) for name, part in PARTS.items()}
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
        real_size._in_a_process("unet", "export", tmp_path)
