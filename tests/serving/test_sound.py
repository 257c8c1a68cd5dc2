"""A network that gives NaN on a real server fails by name; nothing is kept, and no picture is made."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_servers import png
from vitrine import NotFound, StageFailed, TryOn


def spoil(path):
    """Set every float weight of a network to NaN."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype.kind == "f":
            weight.CopyFrom(numpy_helper.from_array(np.full_like(array, np.nan), weight.name))
    onnx.save(model, path)


@pytest.fixture(params=["vae_decoder", "vae_encoder"])
def spoilt(request, triton):
    """A network of the server that gives NaN until the end of the test."""
    path = triton.repository / request.param / "1" / "model.onnx"
    whole = path.read_bytes()
    spoil(path)
    triton.load([request.param])
    yield request.param
    path.write_bytes(whole)
    triton.load([request.param])


def kept(client, name):
    """Whether the server keeps a prepared person of this id."""
    try:
        return client.prepare_person(person_id=name).sources == {"person": "memory"}
    except NotFound:
        return False


def test_a_network_that_overflows_fails_by_its_name(spoilt, vitrine, garment):
    """It fails in an answer and in a stream, with and without paste-back, and nothing is kept."""
    person = png(np.random.default_rng([9, *spoilt.encode()]).integers(0, 255, (256, 192, 3), np.uint8))
    name = f"not finite {spoilt}"
    for paste_back in (True, False):
        asked = {"person": person, "person_id": name, "garment": garment, "steps": 2, "seed": 1}
        with pytest.raises(StageFailed, match="not finite") as failed:
            vitrine.try_on(**asked, paste_back=paste_back)
        assert failed.value.stage == spoilt
        events = vitrine.try_on_stream(**asked, paste_back=paste_back)
        with pytest.raises(StageFailed):
            assert not [one for one in events if isinstance(one, TryOn)]
    assert kept(vitrine, name) == (spoilt == "vae_decoder")
