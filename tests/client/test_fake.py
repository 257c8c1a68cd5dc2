"""The shipped fake refuses what the server refuses, in its words."""

import numpy as np
import pytest
from vitrine import BadRequest, FakeTransport, Vitrine

PICTURE = np.full((20, 20, 3), 200, np.uint8)


@pytest.mark.parametrize("format", ["jpg", "", "gif"])
@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("try_on", {"person": PICTURE, "garment": PICTURE}),
        ("text_to_image", {"prompt": "a cup"}),
        ("product_ad", {"product": PICTURE, "prompt": "a cup"}),
        ("cut_out", {"image": PICTURE}),
    ],
)
def test_a_format_is_one_that_the_server_writes(call, options, format):
    """A test with the fake finds a misspelt format."""
    with pytest.raises(BadRequest, match="format must be one of png, jpeg, webp"):
        getattr(Vitrine(transport=FakeTransport()), call)(**options, format=format)


@pytest.mark.parametrize(("name", "value"), [("width", 64), ("height", 64)])
def test_width_and_height_go_together(name, value):
    """One alone is no size."""
    with pytest.raises(BadRequest, match=f"must be given together, got {name} only"):
        Vitrine(transport=FakeTransport()).text_to_image(prompt="a cup", **{name: value})


def test_every_picture_of_a_request_has_a_seed():
    """The seeds after the highest one do not exist."""
    vitrine = Vitrine(transport=FakeTransport())
    assert vitrine.text_to_image(prompt="a cup", seed=2**64 - 1).seed == 2**64 - 1
    with pytest.raises(BadRequest, match="seed \\+ n - 1 must be at most"):
        vitrine.text_to_image(prompt="a cup", seed=2**64 - 1, n=2)


@pytest.mark.parametrize("graph", ["x", "[1]", {"a": 1}])
def test_a_graph_is_nodes(graph):
    """A graph that cannot be read is refused."""
    with pytest.raises(BadRequest, match="graph must be"):
        Vitrine(transport=FakeTransport()).run_workflow(graph=graph)
