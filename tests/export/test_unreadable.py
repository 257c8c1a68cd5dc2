"""Files that the system refuses, and those of other programs: a sentence with the remedy, no traceback."""

import errno
import os
from pathlib import Path

import pytest
from vitrine_export.check.report import check
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.command import main

APPLE_DOUBLE = b"\0\5\x16\7" * 8


@pytest.fixture
def locked(monkeypatch):
    """Return a function after which FOLDER/FILE cannot be opened; root reads all, so no mode does it."""

    def lock(name):
        usual = Path.open

        def refusing(self, *options, **more):
            if f"{self.parent.name}/{self.name}" == name:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
            return usual(self, *options, **more)

        monkeypatch.setattr(Path, "open", refusing)

    return lock


def test_files_of_other_programs_are_not_chosen(own_checkpoint, tmp_path):
    """A `._` file of macOS in every folder changes neither report nor digest."""
    before = open_checkpoint(own_checkpoint).digest()
    for name in ("densepose/._densepose.onnx", "vae/._diffusion_pytorch_model.safetensors"):
        (own_checkpoint / name).write_bytes(APPLE_DOUBLE)
    assert check(own_checkpoint, None, tmp_path).problems == []
    assert open_checkpoint(own_checkpoint).digest() == before
    assert open_checkpoint(own_checkpoint).densepose().name == "densepose.onnx"


@pytest.mark.parametrize("name", ["vae/config.json", "humanparsing/parsing_atr.onnx"])
def test_a_file_that_cannot_be_read_is_a_problem(own_checkpoint, tmp_path, locked, name):
    """`check` lists it with the remedy, and goes on."""
    locked(name)
    told = check(own_checkpoint, None, tmp_path).problems
    assert any(problem.startswith(f"{name} cannot be read (Permission denied)") for problem in told)
    assert all("let this user read it" in problem for problem in told)


def test_what_the_system_refuses_is_one_line(own_checkpoint, tmp_path, locked, capsys):
    """An export that cannot read a file for its digest names it, with exit code 1."""
    locked("ckpts/body_pose_model.pth")
    assert main(["onnx", "--checkpoint", str(own_checkpoint), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "body_pose_model.pth: Permission denied; let this user read it" in told
    assert "Traceback" not in told
