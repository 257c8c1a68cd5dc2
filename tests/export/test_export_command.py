"""The `vitrine-export` command: help, wrong usage, errors."""

import pytest
from vitrine_export import command
from vitrine_export.command import COMMANDS, main


def test_help_lists_every_subcommand(capsys):
    """The help has a line for each subcommand and imports none of them."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert "examples:" in said


def test_without_a_subcommand_the_help_is_shown(capsys):
    """Without a subcommand the exit code is 2."""
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


def test_the_onnx_commands_help_has_examples(capsys):
    """The help of `onnx` has examples and its options."""
    with pytest.raises(SystemExit, match="0"):
        main(["onnx", "--help"])
    said = capsys.readouterr().out
    assert "--precision" in said
    assert "vitrine-export onnx --checkpoint IDM-VTON --unet IDM-VTON-DC" in said


def test_a_missing_module_fails_only_its_own_subcommand(monkeypatch, capsys):
    """The message names the module, and other subcommands work."""
    monkeypatch.setitem(command.COMMANDS, "train", ("vitrine_export.no_such_module", "train"))
    assert main(["train"]) == 1
    assert "vitrine-export train: No module named 'vitrine_export.no_such_module'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["onnx", "--help"])


def test_a_bad_checkpoint_is_one_line_and_exit_code_1(tmp_path, capsys):
    """A bad checkpoint is reported in one line, without a traceback."""
    assert main(["onnx", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vitrine-export onnx: bad checkpoint: ")
    assert said.count("\n") == 1
    assert "has no folder unet/" in said
