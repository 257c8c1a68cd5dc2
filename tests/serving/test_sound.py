"""A network that gives NaN on a real server fails by name; nothing is kept, and no picture is made."""

import time

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_servers import ANY_PORTS
from tiny_repository import write_repository
from vitrine import StageFailed, TryOn, Vitrine
from vitrine_orchestrator.embedded.server import EmbeddedTriton

PUBLISHED_S = 4.0  # statistics of other processes are a second behind, more on a busy machine


def spoil(path):
    """Set every float weight of a network to NaN."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype.kind == "f":
            weight.CopyFrom(numpy_helper.from_array(np.full_like(array, np.nan), weight.name))
    onnx.save(model, path)


def kept_people(client):
    """Return how many people are in the cache, once all processes have published their statistics."""
    deadline, numbers = time.monotonic() + PUBLISHED_S, {}
    while time.monotonic() < deadline and not numbers.get("upper_body_entries"):
        time.sleep(0.2)
        numbers = client.cache_statistics().numbers
    return numbers.get("upper_body_entries", 0)


@pytest.mark.parametrize("stage", ["vae_decoder", "vae_encoder"])
def test_a_network_that_overflows_fails_by_its_name(tmp_path, person, garment, stage):
    """It fails in an answer and in a stream, with and without paste-back, and nothing is kept."""
    repository = write_repository(tmp_path / "repository")
    spoil(repository / stage / "1" / "model.onnx")
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server, Vitrine(server.grpc, timeout_s=120) as client:
        for paste_back in (True, False):
            asked = {"person": person, "garment": garment, "steps": 2, "seed": 1, "paste_back": paste_back}
            with pytest.raises(StageFailed, match="not finite") as failed:
                client.try_on(**asked)
            assert failed.value.stage == stage
            with pytest.raises(StageFailed):
                assert not [one for one in client.try_on_stream(**asked) if isinstance(one, TryOn)]
        assert kept_people(client) == (stage == "vae_decoder")
