"""The command `vitrine-export lora` fits files to a base and fills the registry that a server reads."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from vitrine.errors import BadRequest
from vitrine_export import command
from vitrine_export.checkpoint.ads import open_ads
from vitrine_orchestrator.loras.registry import Registry

LINEAR = "layers.0.attention.to_q"


def written(folder, **more):
    """A LoRA file of one linear, and of what else is given."""
    state = {
        f"transformer.{LINEAR}.lora_A.weight": torch.ones(2, 48),
        f"transformer.{LINEAR}.lora_B.weight": torch.full((48, 2), 3.0),
        **more,
    }
    save_file(state, folder / "night.safetensors")
    return folder / "night.safetensors"


def run(checkpoint, file, registry, name="night"):
    """The exit code of the command."""
    words = ["--checkpoint", str(checkpoint), "--file", str(file), "--registry", str(registry)]
    return command.main(["lora", *words, "--name", name, "--licence", "CC0-1.0", "--trigger", "night style"])


def test_a_file_becomes_an_adapter_of_its_base(checkpoint, net, tmp_path, capsys):
    """The card names base, rank, trigger words and licence; the tensors lie where the graph wants them."""
    assert run(checkpoint, written(tmp_path), tmp_path / "loras") == 0
    assert f"rank 2, 1 of {len(net.sites.linears)} linears" in capsys.readouterr().out
    base = open_ads(checkpoint).digest()
    lora = Registry(tmp_path / "loras", "z-image", base, max_bytes=0).get("night")
    linear = net.sites.linears[LINEAR]
    assert (lora.card.rank, lora.card.trigger_words, lora.card.licence) == (2, ("night style",), "CC0-1.0")
    assert (lora.up[:, linear.outputs] == 3).all()
    assert lora.down.sum() == 2 * 48
    with pytest.raises(BadRequest, match=f"of base z-image {'0' * 12}"):
        Registry(tmp_path / "loras", "z-image", "0" * 64, max_bytes=0).get("night")


def test_a_file_that_fits_in_part_leaves_no_adapter(checkpoint, tmp_path, capsys):
    """The error names the key that fits no linear; so do pickles and bad names leave nothing."""
    more = {"transformer.layers.9.attention.to_q.lora_A.weight": torch.ones(2, 48)}
    assert run(checkpoint, written(tmp_path, **more), tmp_path / "loras") == 1
    assert "layers.9.attention.to_q" in capsys.readouterr().err
    (tmp_path / "night.pt").write_bytes(b"")
    assert run(checkpoint, tmp_path / "night.pt", tmp_path / "loras") == 1
    assert "pickles are not read" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(checkpoint, written(tmp_path), tmp_path / "loras", name="../night")
    assert not (tmp_path / "loras").exists()
