"""One real Triton with tiny networks for all tests of this folder."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine import Vitrine
from vitrine_orchestrator.embedded.ports import Ports
from vitrine_orchestrator.embedded.server import EmbeddedTriton

sys.path.insert(0, str(Path(__file__).parent))  # the modules that write the tiny repository

from tiny_repository import write_repository

ANY_PORTS = Ports(0, 0, 0)


@pytest.fixture(scope="session")
def triton(tmp_path_factory):
    """The embedded server with every model of the repository."""
    repository = write_repository(tmp_path_factory.mktemp("serving") / "repository")
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
    return _png(np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def garment():
    """An encoded picture."""
    return _png(np.random.default_rng(1).integers(0, 255, (256, 192, 3), dtype=np.uint8))


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
