"""The command `vitrine-export ads` writes a file for each network and refuses other families."""

from __future__ import annotations

import onnx
import pytest
from vitrine_export import command

NAMES = {"transformer", "text_encoder", "vae_encoder", "vae_decoder"}


@pytest.mark.timeout(900)
def test_every_network_becomes_a_file_with_slots_for_adapters(folder, tmp_path, capsys):
    """There are four files, and the transformer's takes any number of rows, each with a LoRA slot."""
    out = tmp_path / "repository"
    assert (
        command.main(["ads", "--checkpoint", str(folder / "tiny"), "--out", str(out), "--lora-rank", "8"])
        == 0
    )
    assert {path.parents[1].name for path in out.glob("*/1/model.onnx")} == NAMES
    graph = onnx.load(out / "transformer/1/model.onnx").graph
    inputs = {
        given.name: [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim]
        for given in graph.input
    }
    assert inputs["patches"] == ["batch", "picture_tokens", 64]
    assert inputs["caption_valid"] == ["batch", "caption_tokens"]
    assert inputs["lora_down"][:2] == ["slots", 8]
    assert inputs["lora_slot"] == ["batch"]
    assert "from torch" in capsys.readouterr().out


def test_another_family_is_refused(tmp_path, capsys):
    """A folder without model_index.json is refused, and the error names that file."""
    assert command.main(["ads", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "model_index.json is missing" in capsys.readouterr().err
