"""A random, tiny CLIP checkpoint in the released layout, exported once for all tests of this folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from vitrine_export import command
from vitrine_export.training.tokenizers import END, vocabulary, write_tokenizer
from vitrine_orchestrator.clip.facts import TOKENIZER, read_facts
from vitrine_orchestrator.clip.tokens import ClipTokens
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.clip import FAMILY

sys.path.append(str(Path(__file__).parents[1] / "serving"))  # the module of the tiny cut-out

from tiny_cut_out import add_cut_out

SOURCE = Path(__file__).parents[2] / "model_repository"
NAME = "clip-vit-tiny"


@pytest.fixture(scope="session")
def model() -> CLIPModel:
    """transformers' own model. Its towers' projection_dim differs from the model's, as in released files."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = sizes | {"vocab_size": len(vocabulary()), "eos_token_id": 2, "projection_dim": 512}
    vision = sizes | {"image_size": 224, "patch_size": 32, "projection_dim": 512}
    made = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    made.text_projection.weight.data.neg_()  # or the cosines of the tests' pictures would all be negative
    return made.eval()


@pytest.fixture(scope="session")
def checkpoint(model, tmp_path_factory) -> Path:
    """The checkpoint's folder."""
    folder = tmp_path_factory.mktemp("checkpoint") / NAME
    model.save_pretrained(folder)
    write_tokenizer(folder, END)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def repository(checkpoint, tmp_path_factory) -> Path:
    """The project's configs and the checkpoint, by `vitrine-export onnx`; workflows, which need cut-outs."""
    folder = tmp_path_factory.mktemp("serving") / "repository"
    for name in ("score", "clip_image", "clip_text", "run_workflow", "cut_out", "cut_out_network"):
        ours = shutil.ignore_patterns("*.onnx", "*.json", "__pycache__")
        shutil.copytree(SOURCE / name, folder / name, ignore=ours)
    words = ["onnx", "--checkpoint", str(checkpoint), "--out", str(folder), "--jobs", "1"]
    assert command.main(words) == 0
    return add_cut_out(folder)


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """What the exporter writes of the checkpoint."""
    facts = {"model": NAME, "width": 16, "pad_id": vocabulary()[END]}
    return Manifest(FAMILY, facts, "0" * 64, "test", {})


@pytest.fixture(scope="session")
def tokens(manifest, tmp_path_factory) -> ClipTokens:
    """The checkpoint's tokenizer, in the form that the exporter writes."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder, END)
    CLIPTokenizer.from_pretrained(folder).backend_tokenizer.save(str(folder / TOKENIZER))
    return ClipTokens(folder / TOKENIZER, read_facts(manifest))


@pytest.fixture(scope="session")
def photos() -> list[np.ndarray]:
    """Two pictures of other shapes than CLIP's."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, shape, np.uint8) for shape in ((260, 320, 3), (300, 240, 3))]
