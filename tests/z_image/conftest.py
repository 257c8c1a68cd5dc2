"""Random, tiny checkpoints of Z-Image and FLUX.1, exported once into one repository and served once."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vitrine import Vitrine
from vitrine_export import command
from vitrine_export.checkpoint.ads import open_ads
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.facts import ZImageFacts, read_facts

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/, for the checkpoint that several folders use
sys.path.insert(0, str(Path(__file__).parent))

import tiny_flux
import tiny_z_image
from fake_picture_stages import fake_context, fake_stages
from worlds import write_lora

SOURCE = Path(__file__).parents[2] / "model_repository"


def saved(pipeline, folder: Path, **settings: object) -> Path:
    """The folder of a checkpoint whose pictures are 64 pixels wide and 64 high."""
    pipeline.save_pretrained(folder)
    sizes = {"picture": {"width": 64, "height": 64}, **settings}
    (folder / "vitrine.json").write_text(json.dumps(sizes))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """Z-Image's folder."""
    return saved(tiny_z_image.pipeline(), tmp_path_factory.mktemp("checkpoint") / "tiny", default_steps=3)


@pytest.fixture(scope="session")
def flux_pipeline():
    """diffusers' own pipeline of the tiny FLUX checkpoint, in dev's form."""
    pipe = tiny_flux.pipeline()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="session")
def flux_checkpoint(flux_pipeline, tmp_path_factory) -> Path:
    """FLUX's folder."""
    return saved(flux_pipeline, tmp_path_factory.mktemp("flux") / "tiny", default_steps=3)


@pytest.fixture(scope="session")
def schnell_checkpoint(tmp_path_factory) -> Path:
    """The folder of a FLUX checkpoint in schnell's form."""
    return saved(tiny_flux.pipeline(guided=False), tmp_path_factory.mktemp("schnell") / "tiny")


@pytest.fixture(scope="session")
def net(checkpoint):
    """Z-Image's transformer in torch."""
    return open_ads(checkpoint).load("transformer")


@pytest.fixture(scope="session")
def repository(checkpoint, flux_checkpoint, tmp_path_factory) -> Path:
    """A model repository with the project's configs and both checkpoints, by `vitrine-export onnx`."""
    folder = tmp_path_factory.mktemp("serving") / "repository"
    ours = shutil.ignore_patterns("*.onnx", "*.json", "__pycache__")
    shutil.copytree(SOURCE, folder, ignore=ours)
    for one in (checkpoint, flux_checkpoint):
        words = ["onnx", "--checkpoint", str(one), "--out", str(folder), "--jobs", "1"]
        assert command.main(words) == 0
    return folder


@pytest.fixture(scope="session")
def denoise_folder(repository) -> Path:
    """The version folder of `denoise`."""
    return repository / "denoise" / "1"


@pytest.fixture(scope="session")
def facts(denoise_folder) -> ZImageFacts:
    """The facts of Z-Image's export."""
    return read_facts(read_manifest(denoise_folder, FAMILY))


@pytest.fixture(scope="session")
def loras(net, denoise_folder, tmp_path_factory) -> Path:
    """A registry of one adapter of the served Z-Image checkpoint."""
    folder = tmp_path_factory.mktemp("loras")
    base = read_manifest(denoise_folder, FAMILY).digest
    write_lora(net, folder / "night", 8, 1, base=base)
    return folder


@pytest.fixture(scope="session")
def server(repository, loras) -> Iterator[EmbeddedTriton]:
    """The embedded server with both checkpoints; models of other families are not loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_LORA_FOLDER", str(loras))
        with EmbeddedTriton(repository, ports=ANY_PORTS) as triton:
            yield triton


@pytest.fixture(scope="session")
def vitrine(server) -> Iterator[Vitrine]:
    """A client."""
    with Vitrine(server.grpc, timeout_s=120) as client:
        yield client


@pytest.fixture
def stages():
    """Fake stages of the picture pipelines."""
    return fake_stages()


@pytest.fixture
def context(stages):
    """A request context over the fakes."""
    return fake_context(stages)
