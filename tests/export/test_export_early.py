"""An export refuses at once what it would stop at after long work; `check` says the same."""

import json
import zipfile

import pytest
import torch
from vitrine_export.check.report import check
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.command import main
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families import export_of, open_any
from vitrine_export.exporting.order import Order, work_of
from vitrine_export.exporting.run_export import carry_out

SCHEDULER = "scheduler/scheduler_config.json"


def changed(path, **values):
    """Set fields of a JSON file; None removes one."""
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def refused(folder, out, message):
    """Both commands refuse the checkpoint, and the export writes nothing."""
    assert any(message in problem for problem in check(folder, None, out).problems)
    with pytest.raises(BadCheckpoint) as fault:
        carry_out(work_of(Order(open_any(folder), out)), jobs=1)
    assert message in str(fault.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "humanparsing/parsing_atr.onnx is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-lfs pointer"),
        (b"neither", "is no ONNX file, or cut short"),
    ],
)
def test_a_person_networks_file_is_read_before_any_work(own_checkpoint, tmp_path, content, message):
    """A page, a pointer or other bytes for an adopted file end the export before its first stage."""
    (own_checkpoint / "humanparsing" / "parsing_atr.onnx").write_bytes(content)
    refused(own_checkpoint, tmp_path / "out", message)


def test_a_pickle_is_no_torchscript(own_checkpoint, tmp_path):
    """DensePose's weights from torch.save have no network in them, which the file's directory tells."""
    (own_checkpoint / "densepose" / "densepose.onnx").unlink()
    torch.save({"weight": torch.ones(1)}, own_checkpoint / "densepose" / "densepose.pt")
    assert zipfile.is_zipfile(own_checkpoint / "densepose" / "densepose.pt")
    refused(
        own_checkpoint, tmp_path / "out", "densepose/densepose.pt is no TorchScript file (of torch.save?)"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_class_name": "UniPCMultistepScheduler"}, "_class_name must be one of"),
        ({"_class_name": "DPMSolverMultistepScheduler"}, "_class_name must be one of"),
        ({"beta_schedule": "linear"}, "_class_name must be one of"),
        ({"_class_name": "DDPMScheduler", "colour": 1}, "unknown scheduler settings ['colour']"),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
            "must be one of ['DDIM",
        ),
        ({"error": "Repository not found"}, "is a server's error message"),
    ],
)
def test_a_scheduler_that_cannot_be_served_is_refused(own_checkpoint, tmp_path, config, message):
    """Another sampler, none, and one of another family are refused before they are exported."""
    (own_checkpoint / SCHEDULER).write_text(json.dumps(config))
    refused(own_checkpoint, tmp_path / "out", message)


def test_a_missing_scheduler_is_told_before_any_work(own_checkpoint, tmp_path):
    """The manifest's facts are read first."""
    (own_checkpoint / SCHEDULER).unlink()
    refused(own_checkpoint, tmp_path / "out", f"{SCHEDULER} is missing")


@pytest.mark.parametrize(
    ("part", "name", "fact", "default"),
    [
        ("image_encoder", "image_size", "image_size", 224),
        ("text_encoder_2", "projection_dim", "pooled_width", 512),
        ("vae", "latent_channels", "channels", 4),
    ],
)
def test_a_missing_field_has_its_librarys_default(own_checkpoint, part, name, fact, default):
    """As in diffusers and transformers, whose saved configs may omit it."""
    changed(own_checkpoint / part / "config.json", **{name: None})
    checkpoint = open_checkpoint(own_checkpoint)
    assert export_of(checkpoint.family).facts(checkpoint, {})[fact] == default


def test_a_vae_without_latent_channels_has_four(own_checkpoint):
    """AutoencoderKL's default is the released number."""
    changed(own_checkpoint / "vae" / "config.json", latent_channels=None)
    open_checkpoint(own_checkpoint).verify(["vae"])


def test_a_field_of_another_type_is_named(own_checkpoint, tmp_path):
    """The message has the file, the field and its value."""
    changed(own_checkpoint / "image_encoder" / "config.json", image_size="large")
    told = check(own_checkpoint, None, tmp_path).problems
    assert any("image_encoder" in problem and "'large'" in problem for problem in told)


def test_out_that_is_a_file_is_refused(own_checkpoint, tmp_path, capsys):
    """The message names the option and the file."""
    (tmp_path / "out").write_text("a file")
    assert main(["onnx", "--checkpoint", str(own_checkpoint), "--out", str(tmp_path / "out")]) == 1
    assert f"--out must be a folder, {tmp_path / 'out'} is a file; name another" in capsys.readouterr().err


@pytest.mark.parametrize("needed", [True, False])
def test_a_vae_that_needs_fp32_is_named_when_it_is_exported_in_fp16(own_checkpoint, tmp_path, caplog, needed):
    """Its numbers may overflow, which the comparison of one sample does not show."""
    changed(own_checkpoint / "vae" / "config.json", force_upcast=needed)
    checkpoint, stages = open_any(own_checkpoint), ("vae_decoder",)
    carry_out(work_of(Order(checkpoint, tmp_path / "out", stages, {"vae_decoder": "fp16"})), jobs=1)
    assert ("force_upcast true" in caplog.text) == needed
