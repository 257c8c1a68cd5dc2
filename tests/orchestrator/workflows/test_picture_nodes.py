"""The small nodes between the models, and the table that all come from."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from vitrine_orchestrator.stages import STAGES
from vitrine_orchestrator.workflows.picture_nodes import HOW
from vitrine_orchestrator.workflows.table import CLASSES
from workflow_models import node, pixel, png


def opened(encoded):
    """A picture, loaded."""
    with Image.open(io.BytesIO(encoded)) as image:
        image.load()
    return image


@pytest.fixture
def made(workflow):
    """Runs one node between a sent picture and a file."""

    def run(picture, kind, name="out.png", **inputs):
        graph = {
            "in": node("load_image", image="it"),
            "it": node(kind, image=["in", 0], **inputs),
            "out": node("save_image", image=["it", 0], name=name),
        }
        files, nodes = workflow(graph, {"it": picture})
        assert nodes["it"]["status"] == "done", nodes["it"]
        return opened(files[name])

    return run


@pytest.mark.parametrize(("how", "size"), [("fit", (60, 40)), ("crop", (60, 60)), ("squash", (60, 60))])
def test_a_picture_is_resized(how, size, made):
    """Three ways to another shape; transparency stays."""
    assert made(png((9, 99, 200), (120, 80)), "resize", width=60, height=60, how=how).size == size
    clear = made(png((9, 99, 200, 50), (120, 80)), "resize", width=60, height=60, how=how)
    assert (clear.mode, clear.size, clear.getpixel((0, 0))[3]) == ("RGBA", size, 50)


def test_the_middle_is_what_a_crop_keeps(made):
    """A picture with a stripe on each side loses both."""
    picture = Image.new("RGB", (120, 60), (0, 0, 250))
    picture.paste((250, 0, 0), (30, 0, 90, 60))
    file = io.BytesIO()
    picture.save(file, "PNG")
    levels = np.asarray(made(file.getvalue(), "resize", width=240, height=240, how="crop"))
    assert (levels[:, 8:-8] == (250, 0, 0)).all()
    assert HOW[0] == "fit"


@pytest.mark.parametrize("side", [30, 240])
@pytest.mark.parametrize("name", ["out.png", "out.webp"])
def test_a_soft_edge_keeps_its_colour(side, name, made):
    """No white and no colour of transparent pixels comes into it: smaller, larger or in another format."""
    levels = np.zeros((80, 80, 4), np.uint8)
    levels[..., 1] = 255  # green where nothing is seen
    levels[20:60, 20:60] = (200, 10, 0, 255)
    levels[20:60, 20:24, 3] = 128
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    found = np.asarray(made(file.getvalue(), "resize", name, width=side, height=side))
    seen = found[..., 3] > 8
    assert np.unique(found[seen][:, 3]).size > 3
    assert np.abs(found[seen][:, :3].astype(int) - (200, 10, 0)).max() <= 1


def test_a_photograph_of_a_phone_is_saved(workflow):
    """HEIC is read like any other picture; a file of the answer has the format of its name."""
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), (200, 30, 40))).save(file)
    graph = {"in": node("load_image", image="it"), "out": node("save_image", image=["in", 0], name="a.jpg")}
    files, nodes = workflow(graph, {"it": file.getvalue()})
    assert nodes["out"]["status"] == "done"
    assert opened(files["a.jpg"]).format == "JPEG"


@pytest.mark.parametrize("how", HOW)
def test_a_picture_of_more_pixels_than_nodes_take_is_refused(how, workflow):
    """Each side is allowed, both together are not; nothing of that size is made."""
    graph = {
        "in": node("load_image", image="it"),
        "it": node("resize", image=["in", 0], width=8192, height=8192, how=how),
    }
    _, nodes = workflow(graph, {"it": png((1, 2, 3))})
    assert nodes["it"]["error"] == {
        "word": "bad request",
        "message": "width and height must give at most 40000000 pixels, got 8192x8192",
    }


@pytest.mark.parametrize("seed", [0, 12_000, 2**40])
def test_a_linked_number_has_the_limits_of_its_input(seed, workflow):
    """As one that stands in the graph: the node fails, and says which input got what."""
    graph = {
        "draw": node("text_to_image", prompt="a", seed=seed),
        "it": node("resize", image=["draw", 0], width=["draw", 1], height=10),
    }
    _, nodes = workflow(graph)
    assert nodes["it"]["error"] == {
        "word": "bad request",
        "message": f"node 'it' (resize), input width must be 1 to 8192, got {seed}",
    }


def test_a_linked_word_is_one_of_its_input(workflow):
    """Another one is not taken for the last of them."""
    graph = {
        "in": node("load_image", image="it"),
        "word": node("text", text="Crop"),
        "it": node("resize", image=["in", 0], width=60, height=40, how=["word", 0]),
    }
    _, nodes = workflow(graph, {"it": png((1, 2, 3))})
    said = "node 'it' (resize), input how must be one of fit, crop, squash, got 'Crop'"
    assert nodes["it"]["error"] == {"word": "bad request", "message": said}


@pytest.mark.parametrize(("colour", "seen"), [("white", (225, 155, 155)), ("#102030", (108, 44, 52))])
def test_the_background_is_replaced_by_a_colour(colour, seen, made):
    """The fake's product is half transparent, so the ground shines through."""
    found = made(png((200, 55, 55)), "remove_background", colour=colour)
    assert found.mode == "RGB"
    assert np.abs(np.array(found.getpixel((0, 0))) - seen).max() <= 3


def test_without_a_colour_the_ground_is_transparent(made):
    """As `cut_out` answers."""
    assert made(png((200, 55, 55)), "remove_background").getpixel((0, 0)) == (200, 55, 55, 128)


def test_a_wrong_colour_fails_the_node(workflow):
    """The message says what is possible."""
    graph = {
        "in": node("load_image", image="it"),
        "it": node("remove_background", image=["in", 0], colour="sky"),
    }
    _, nodes = workflow(graph, {"it": png((1, 1, 1))})
    assert nodes["it"]["error"]["message"] == "colour must be transparent, white, black or #rrggbb, got 'sky'"


@pytest.mark.parametrize(
    ("name", "kind", "mode"), [("a.JPG", "JPEG", "RGB"), ("a.webp", "WEBP", "RGBA"), ("a.png", "PNG", "RGBA")]
)
def test_a_file_s_ending_is_its_format(name, kind, mode, workflow):
    """JPEG has no transparency: it lies on white there."""
    graph = {"in": node("load_image", image="it"), "out": node("save_image", image=["in", 0], name=name)}
    files, _ = workflow(graph, {"it": png((200, 0, 0, 0))})
    image = opened(files[name])
    assert (image.format, image.mode) == (kind, mode)
    if mode == "RGB":
        assert min(pixel(files[name])) > 250
    else:
        assert pixel(files[name]) == (200, 0, 0, 0)


def test_a_saved_file_keeps_its_bytes_where_it_can(workflow):
    """A PNG that is saved as PNG is not encoded again."""
    graph = {"in": node("load_image", image="it"), "out": node("save_image", image=["in", 0])}
    picture = png((200, 0, 0))
    assert workflow(graph, {"it": picture})[0] == {"image-1.png": picture}


def test_every_pipeline_is_a_node():
    """Whatever answers a request with one response can stand in a graph; the rest is told here why not."""
    own = {"run_workflow", "cache_control", "denoise"}  # no step of a workflow
    plain = {row.name for row in STAGES if row.in_flight and not row.decoupled} - own
    assert {name for name in plain - CLASSES.keys() if not name.startswith("prepare_")} == set()
    assert "prepare_ad_prompt" in CLASSES
