"""One real Triton with tiny networks for all tests of this folder."""

import sys
from pathlib import Path

import numpy as np
import pytest
from vitrine import Vitrine
from vitrine_orchestrator.embedded.server import EmbeddedTriton

sys.path.insert(0, str(Path(__file__).parents[1]))  # the modules that several folders use
sys.path.insert(0, str(Path(__file__).parent))  # the modules that write the tiny repository

from small_servers import png
from tiny_cut_out import add_cut_out
from tiny_fashn import add_fashn
from tiny_repository import write_repository
from vitrine_orchestrator.embedded.ports import ANY_PORTS


@pytest.fixture(scope="session")
def triton(tmp_path_factory):
    """The embedded server with every model of the repository, and a checkpoint of each family but Z-Image."""
    repository = write_repository(tmp_path_factory.mktemp("serving") / "repository")
    add_cut_out(add_fashn(repository))
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
        yield server


@pytest.fixture
def vitrine(triton):
    """A gRPC client."""
    with Vitrine(triton.grpc, timeout_s=120) as client:
        yield client


@pytest.fixture(scope="session")
def person():
    """An encoded picture in which the tiny networks see a person."""
    return png(np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def garment():
    """An encoded picture."""
    return png(np.random.default_rng(1).integers(0, 255, (256, 192, 3), dtype=np.uint8))
