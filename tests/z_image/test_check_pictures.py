"""The command `vitrine-export check` on a Z-Image checkpoint."""

from __future__ import annotations

import json
import shutil

import pytest
from vitrine_export import command
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families.z_image import facts


def checked(folder, capsys):
    """Exit code and report."""
    code = command.main(["check", "--checkpoint", str(folder), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_whole_checkpoint_can_be_exported(checkpoint, capsys):
    """The report has the three networks and the export as the next command."""
    code, report = checked(checkpoint, capsys)
    assert code == 0
    assert {part["name"] for part in report["parts"]} == {"transformer", "text_encoder", "vae"}
    assert report["next"].startswith(f"vitrine-export onnx --checkpoint {checkpoint}")


@pytest.mark.parametrize(("width", "said"), [(72, "a multiple of 16"), (2048, "up to 1024, got 2048")])
def test_a_usual_size_that_the_network_cannot_draw_is_refused(checkpoint, tmp_path, width, said):
    """The export says so, and not each request."""
    folder = shutil.copytree(checkpoint, tmp_path / "sized")
    (folder / "vitrine.json").write_text(json.dumps({"picture": {"width": width, "height": 64}}))
    with pytest.raises(BadCheckpoint, match=f"picture.width must be .*{said}"):
        facts(open_ads(folder), {})


def test_every_fault_is_named_at_once(checkpoint, tmp_path, capsys):
    """Missing weights, a damaged scheduler and a wrong size are three problems of one report."""
    folder = shutil.copytree(checkpoint, tmp_path / "broken")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "scheduler" / "scheduler_config.json").write_text("{")
    (folder / "vitrine.json").write_text('{"picture": {"width": 60}}')
    code, report = checked(folder, capsys)
    assert code == 1
    told = "\n".join(report["problems"])
    assert len(report["problems"]) == 3
    assert all(name in told for name in ("vae/ has no weights", "scheduler_config.json", "picture.width"))
