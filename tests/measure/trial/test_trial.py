"""The command `vitrine-export trial`: the checkpoint that it makes, and how it measures."""

import os
import subprocess

import pytest
from vitrine_export.check.report import check
from vitrine_export.errors import ExportFailed
from vitrine_measure.trial import command
from vitrine_measure.trial.checkpoint import write_checkpoint
from vitrine_measure.trial.memory import PeakMemory, tree
from vitrine_measure.trial.sizes import BIG_G_WIDTH, CLIP_L_WIDTH, TRIAL_SIZES, TrialSize

SMALL = TrialSize((32, 64, 128), (32, 32, 32, 32), text_layers=1, image_layers=1)


def test_a_trial_checkpoint_passes_the_check(tiny_checkpoint, tmp_path):
    """It has every part of the released layout, unet/ as .bin, and can be exported."""
    write_checkpoint(tmp_path / "made", SMALL, tiny_checkpoint, (192, 256))
    report = check(tmp_path / "made", None, tmp_path / "out")
    assert report.problems == []
    assert (tmp_path / "made" / "unet" / "diffusion_pytorch_model.bin").is_file()


def test_trials_keep_the_released_context():
    """Text encoders of the released widths give the context of 2048 that the UNets read."""
    assert all(
        size.tryon()["cross_attention_dim"] == CLIP_L_WIDTH + BIG_G_WIDTH for size in TRIAL_SIZES.values()
    )


def test_the_memory_of_children_counts():
    """The peak is that of a process tree, where a process that has ended counts as nothing."""
    child = "import time; held = bytearray(b'x') * 10**8; time.sleep(2)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen(["python3", "-c", code])
    with PeakMemory(process.pid) as memory:
        process.wait()
    assert memory.peak_bytes > 0.9e8
    assert os.getpid() in tree(os.getpid())


def test_a_step_that_fails_is_named(monkeypatch):
    """The trial stops at the step that failed."""
    monkeypatch.setattr(command.sys, "executable", "/bin/false")
    with pytest.raises(ExportFailed, match="the step onnx ended with 1"):
        command._command("onnx", ["onnx"])
