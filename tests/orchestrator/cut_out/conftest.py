"""What tests of the cut-out share: a fake network that takes red for the product, and pictures of it."""

import numpy as np
import pytest
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

SIDE = 64
FACTS = {"network": "red", "side": SIDE, "mean": [0.5] * 3, "std": [0.25] * 3, "output": "probability"}


def redness(inputs):
    """1 where a pixel is red and not green, from colours that were normalised with mean .5 and std .25."""
    red, green = (inputs["image"][:, channel] * 0.25 + 0.5 for channel in (0, 1))
    return {"answer": np.clip((red - green) * 2, 0, 1)[:, None].astype(np.float32)}


@pytest.fixture
def stages():
    """The fake; `calls` has the network's inputs."""
    return FakeStages(**{NETWORK: redness})


@pytest.fixture
def manifest():
    """The release of the fake."""
    return Manifest(FAMILY, FACTS, digest="0" * 64, exporter="test", files={})
