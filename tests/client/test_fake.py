"""The shipped fake refuses what the server refuses, in its words."""

import numpy as np
import pytest
from vitrine import BadRequest, FakeTransport, NotFound, Vitrine

PICTURE = np.full((20, 20, 3), 200, np.uint8)


@pytest.mark.parametrize("format", ["jpg", "gif"])
@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("try_on", {"person": PICTURE, "garment": PICTURE}),
        ("text_to_image", {"prompt": "a cup"}),
        ("product_ad", {"product": PICTURE, "prompt": "a cup"}),
        ("compose", {"scene": PICTURE, "product": PICTURE}),
        ("text_overlay", {"image": PICTURE, "texts": "a"}),
    ],
)
def test_a_format_is_one_that_the_server_writes(call, options, format):
    """A test with the fake finds a misspelt format."""
    with pytest.raises(BadRequest, match="format must be one of png, jpeg, webp"):
        getattr(Vitrine(transport=FakeTransport()), call)(**options, format=format)


@pytest.mark.parametrize(
    ("call", "options", "says"),
    [
        ("cut_out", {"image": PICTURE, "format": "jpeg"}, "format must be one of png, webp, got 'jpeg'"),
        ("cut_out", {"image": PICTURE, "product_side": 3}, "product_side must be 32 to 16384, got 3"),
        ("try_on", {"person": PICTURE, "garment": PICTURE, "steps": 101}, "steps must be 1 to 100, got 101"),
        ("try_on", {"person": PICTURE, "garment": b"abc"}, "garment is 3 bytes of another kind"),
        ("text_to_image", {"prompt": "a", "n": 0}, "n must be 1 to 8, got 0"),
        ("text_to_image", {"prompt": "a", "guidance": 20.5}, "guidance must be 0 to 20, got 20.5"),
        ("text_to_image", {"prompt": "a", "scheduler": "ddim"}, "scheduler must be one of"),
        ("text_to_image", {"prompt": "a", "aspect_ratio": "7:1"}, "aspect_ratio must be one of"),
        ("text_to_image", {"prompt": "a", "width": 0, "height": 64}, "width must be 1 to 2147483647, got 0"),
        ("text_to_image", {"prompt": "a", "width": 64, "height": 65}, "height must be a multiple of 16"),
        ("text_to_image", {"prompt": "a", "width": 4096, "height": 2048}, "must be at most 4194304 pixels"),
        (
            "image_to_image",
            {"prompt": "a", "image": PICTURE, "strength": 5},
            "strength must be 0 to 1",
        ),
        ("image_to_image", {"prompt": "a", "image": PICTURE, "strength": 0}, "strength must be more than 0"),
        ("product_ad", {"product": PICTURE, "prompt": "a", "sizes": "banana"}, "sizes must be one of 1:1"),
        ("product_ad", {"product": PICTURE, "prompt": "a", "sizes": "0:1"}, "sizes must be one of 1:1"),
        ("product_ad", {"product": PICTURE, "prompt": "a", "sizes": "640x480"}, "sizes must be one of 1:1"),
        ("product_ad", {"product": PICTURE, "prompt": "a", "sizes": ["1:1"] * 2}, "different names"),
        (
            "text_overlay",
            {"image": PICTURE, "texts": []},
            "texts must be a JSON list of 1 to 16",
        ),
    ],
)
def test_what_the_server_refuses_is_refused(call, options, says):
    """The message names the input, the rule and the value."""
    with pytest.raises(BadRequest, match=says):
        getattr(Vitrine(transport=FakeTransport()), call)(**options)


def test_an_ad_has_the_pixels_that_were_asked_for():
    """A size in pixels, or a ratio."""
    vitrine = Vitrine(transport=FakeTransport())
    (ad,) = vitrine.product_ad(product=PICTURE, prompt="a cup", width=96, height=64).ads
    assert (ad.size, ad.image.size) == ("96x64", (96, 64))
    assert vitrine.text_to_image(prompt="a cup", aspect_ratio="4:5").image.size == (64, 80)


def test_a_model_that_is_not_there_is_not_found():
    """A stream of it too."""
    with pytest.raises(NotFound):
        FakeTransport().infer("pose", {}, timeout_s=1)
    with pytest.raises(NotFound):
        list(FakeTransport().stream("pose_stream", {}, timeout_s=1))


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
