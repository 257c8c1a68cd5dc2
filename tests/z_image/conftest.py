"""A random, tiny Z-Image checkpoint, exported once for all tests of this folder."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from vitrine_export import command
from vitrine_export.checkpoint.ads import open_ads
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.facts import ZImageFacts, read_facts

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/, for the checkpoint that several folders use
sys.path.insert(0, str(Path(__file__).parent))

from tiny_z_image import pipeline

SOURCE = Path(__file__).parents[2] / "model_repository"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """The checkpoint's folder; its pictures are 64 pixels wide and 64 high."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    pipeline().save_pretrained(folder)
    sizes = {"picture": {"width": 64, "height": 64}, "default_steps": 3}
    (folder / "vitrine.json").write_text(json.dumps(sizes))
    return folder


@pytest.fixture(scope="session")
def net(checkpoint):
    """The transformer in torch."""
    return open_ads(checkpoint).load("transformer")


@pytest.fixture(scope="session")
def repository(checkpoint, tmp_path_factory) -> Path:
    """A model repository with the project's configs and the checkpoint, exported by `vitrine-export onnx`."""
    folder = tmp_path_factory.mktemp("serving") / "repository"
    ours = shutil.ignore_patterns("*.onnx", "*.json", "__pycache__")
    shutil.copytree(SOURCE, folder, ignore=ours)
    words = ["onnx", "--checkpoint", str(checkpoint), "--out", str(folder), "--jobs", "1"]
    assert command.main(words) == 0
    return folder


@pytest.fixture(scope="session")
def denoise_folder(repository) -> Path:
    """The version folder of `denoise`."""
    return repository / "denoise" / "1"


@pytest.fixture(scope="session")
def facts(denoise_folder) -> ZImageFacts:
    """The facts of the export."""
    return read_facts(read_manifest(denoise_folder, FAMILY))
