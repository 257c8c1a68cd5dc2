"""A released folder of CLIP: both towers as transformers computes them, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from vitrine_export import command
from vitrine_export.checkpoint.clip import open_clip
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.clip import PictureTower, TextTower
from vitrine_export.exporting.families import open_any
from vitrine_orchestrator.stages.clip import FAMILY


@torch.no_grad()
def test_both_towers_are_transformers_own(checkpoint, model):
    """Loaded from the folder, they give CLIPModel's features, at the end of the text and not normalised."""
    opened = open_any(checkpoint)
    assert opened.family == FAMILY
    pixels = torch.randn(3, 3, 224, 224)
    ids = torch.randint(3, 500, (2, 77))
    ids[:, 9:] = model.config.text_config.vocab_size - 1  # the end token has the highest id
    ids[1, 5:] = model.config.text_config.vocab_size - 1
    theirs = model(input_ids=ids, pixel_values=pixels)
    for ours, wanted in (
        (PictureTower(opened.load("vision"))(pixels), theirs.image_embeds),
        (TextTower(opened.load("text"))(ids), theirs.text_embeds),
    ):
        assert ours.shape[1] == 16
        assert (ours / ours.norm(dim=1, keepdim=True) - wanted).abs().max() < 1e-5


def changed(checkpoint, folder, file, **entries):
    """A copy of the checkpoint with other values in a JSON file; "tower.key" is a key of that tower."""
    shutil.copytree(checkpoint, folder)
    found = json.loads((folder / file).read_text())
    for name, value in entries.items():
        tower, _, key = name.rpartition("__")
        (found[tower] if tower else found)[key] = value
    (folder / file).write_text(json.dumps(found))
    return folder


@pytest.mark.parametrize(
    ("file", "entry", "said"),
    [
        (
            "config.json",
            {"vision_config__image_size": 336},
            r"\.image_size must be 224, got 336",
        ),
        ("config.json", {"text_config__max_position_embeddings": 248}, "must be 77, got 248"),
        ("config.json", {"projection_dim": 24}, "misshapen"),
        ("config.json", {"text_config__num_hidden_layers": 3}, "missing"),
        ("preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5]}, "image_mean must be CLIP's"),
        ("preprocessor_config.json", {"resample": 2}, r"resample must be 3 \(bicubic\), got 2"),
    ],
)
def test_another_architecture_is_refused_before_any_work(checkpoint, tmp_path, file, entry, said):
    """The error names the file, the rule and the value."""
    folder = changed(checkpoint, tmp_path / "copy", file, **entry)
    with pytest.raises(BadCheckpoint, match=said):
        open_clip(folder).verify(("vision", "text"))


def test_a_folder_without_weights_says_so(checkpoint, tmp_path):
    """The names that are looked for are told."""
    shutil.copytree(checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"has no weights: none of .*model\.safetensors"):
        open_clip(tmp_path / "copy").verify(("vision",))


def test_the_models_name_must_be_a_text(checkpoint, tmp_path):
    """It stands in every report."""
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    (folder / "vitrine.json").write_text('{"model": 14}')
    with pytest.raises(BadCheckpoint, match="model must be a text, got 14"):
        _ = open_clip(folder).model


def test_every_file_that_counts_changes_the_digest(checkpoint, tmp_path):
    """The model's name, which reports show, counts too."""
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    before = open_clip(folder)
    assert before.model == "copy"
    digests = {before.digest()}
    (folder / "vitrine.json").write_text(json.dumps({"model": "ViT-tiny"}))
    digests.add(open_clip(folder).digest())
    (folder / "merges.txt").write_text((folder / "merges.txt").read_text() + "z z</w>\n")
    digests.add(open_clip(folder).digest())
    assert len(digests) == 3
    assert open_clip(folder).model == "ViT-tiny"


def test_the_check_recognises_a_clip_checkpoint(checkpoint, tmp_path, capsys):
    """It is named and can be exported; a lost tokenizer and towers of another width are problems."""
    assert command.main(["check", "--checkpoint", str(checkpoint), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kind"]["name"] == "CLIP"
    assert [part["precision"] for part in report["parts"]] == ["fp32"]
    assert report["next"].startswith(f"vitrine-export onnx --checkpoint {checkpoint}")
    broken = changed(checkpoint, tmp_path / "broken", "config.json", projection_dim=24)
    (broken / "merges.txt").unlink()
    assert command.main(["check", "--checkpoint", str(broken), "--json"]) == 1
    told = "\n".join(json.loads(capsys.readouterr().out)["problems"])
    for words in ("misshapen", "broken/merges.txt is missing"):
        assert words in told
