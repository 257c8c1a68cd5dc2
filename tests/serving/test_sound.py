"""A network that gives NaN on a real server fails by name; nothing is kept, and no picture is made."""

import numpy as np
import onnx
import pytest
from conftest import ANY_PORTS
from onnx import numpy_helper
from tiny_repository import write_repository
from vitrine import StageFailed, TryOn, Vitrine
from vitrine_orchestrator.embedded.server import EmbeddedTriton


def spoil(path):
    """Set every float weight of a network to NaN."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype.kind == "f":
            weight.CopyFrom(numpy_helper.from_array(np.full_like(array, np.nan), weight.name))
    onnx.save(model, path)


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
        kept = client.cache_statistics().numbers
        assert kept.get("upper_body_entries", 0) == (stage == "vae_decoder")
