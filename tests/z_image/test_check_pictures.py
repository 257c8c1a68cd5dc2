"""The command `vitrine-export check` on checkpoints for pictures, and the facts of their manifests."""

from __future__ import annotations

import json
import shutil

import pytest
from vitrine_export import command
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families import flux
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


@pytest.mark.parametrize("window", [4, 512])
def test_a_window_that_is_shorter_than_a_prompt_is_refused(checkpoint, tmp_path, capsys, window):
    """The exported text encoder attends to the whole prompt."""
    folder = shutil.copytree(checkpoint, tmp_path / "windowed")
    settings = {"use_sliding_window": True, "sliding_window": window, "max_window_layers": 0}
    changed(folder / "text_encoder" / "config.json", **settings, layer_types=None)
    code, report = checked(folder, capsys)
    assert code == (window < 512)
    assert any("sliding_window at least 512" in problem for problem in report["problems"]) == (window < 512)


def test_a_vae_without_a_shift_has_the_released_one(checkpoint, tmp_path, capsys, caplog):
    """diffusers writes null for a number that a config omits."""
    folder = shutil.copytree(checkpoint, tmp_path / "unshifted")
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shift_factor": None}))
    assert checked(folder, capsys)[0] == 0
    assert "their released values are used: shift_factor = 0.1159" in caplog.text
    assert open_ads(folder).load("vae").config.shift_factor == 0.1159


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


def changed(path, **settings):
    """Set settings of a JSON file; None removes one."""
    config = {**(json.loads(path.read_text()) if path.exists() else {}), **settings}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def test_a_whole_flux_checkpoint_can_be_exported(flux_checkpoint, capsys):
    """The report has the four networks and the export as the next command."""
    code, report = checked(flux_checkpoint, capsys)
    assert (code, report["kind"]["name"]) == (0, "FLUX.1")
    assert {part["name"] for part in report["parts"]} == {
        "transformer", "text_encoder", "text_encoder_2", "vae"
    }  # fmt: skip
    assert report["next"].startswith(f"vitrine-export onnx --checkpoint {flux_checkpoint}")


def test_the_two_forms_have_their_own_defaults(flux_checkpoint, schnell_checkpoint, tmp_path, caplog):
    """Dev has embedded guidance and 512 tokens; schnell 4 steps, 256 tokens and none, if not said too."""
    dev = flux.facts(open_ads(flux_checkpoint), {"pad_ids": [5, 6]})
    assert (dev["embedded_guidance"], dev["default_guidance"], dev["prompt_tokens"]) == (True, 3.5, 512)
    assert (dev["pad_id"], dev["pad_id_2"]) == (5, 6)
    folder = shutil.copytree(schnell_checkpoint, tmp_path / "copy")
    changed(folder / "transformer" / "config.json", guidance_embeds=None)
    schnell = flux.facts(open_ads(folder), {})
    assert (schnell["embedded_guidance"], schnell["default_guidance"]) == (False, 0.0)
    assert (schnell["default_steps"], schnell["prompt_tokens"]) == (4, 256)
    assert "their released values are used: guidance_embeds = False" in caplog.text


@pytest.mark.parametrize(
    ("file", "settings", "said"),
    [
        ("vitrine.json", {"default_guidance": 3.5}, "default_guidance must be 0, since guidance_embeds is"),
        ("vitrine.json", {"picture": {"width": 72}}, "picture.width must be a multiple of 16"),
        ("vitrine.json", {"picture": {"width": 4096, "height": 2048}}, "must be at most 4194304 pixels"),
        ("scheduler/scheduler_config.json", {"use_karras_sigmas": True}, "use_karras_sigmas must be False"),
        ("scheduler/scheduler_config.json", {"shift": 1e-30}, "a usual request cannot be computed with it"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 2}, "steps must be 1 to 2"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "PNDMScheduler"},
            "_class_name must be one of ['FlowMatchEulerDiscreteScheduler'], got 'PNDMScheduler'",
        ),
        (
            "vae/config.json",
            {"scaling_factor": "0.36"},
            "scaling_factor must be a finite number of more than",
        ),
        ("vae/config.json", {"scaling_factor": 0.0}, "scaling_factor must be a finite number of more than 0"),
        ("vae/config.json", {"shift_factor": float("nan")}, "shift_factor must be a finite number, got nan"),
        ("vae/config.json", {"block_out_channels": [8, 8]}, "block_out_channels must have 4 levels"),
        ("text_encoder_2/config.json", {"d_model": 40}, "joint_attention_dim must be 40, got 32"),
        ("model_index.json", {"_class_name": "FluxFillPipeline"}, "_class_name must be one of"),
    ],
)
def test_a_flux_checkpoint_that_cannot_be_served_is_refused(
    schnell_checkpoint, tmp_path, capsys, file, settings, said
):
    """The check names the file, the rule and the value."""
    folder = shutil.copytree(schnell_checkpoint, tmp_path / "copy")
    changed(folder / file, **settings)
    code, report = checked(folder, capsys)
    assert code == 1
    assert any(said in problem for problem in report["problems"]), report["problems"]
