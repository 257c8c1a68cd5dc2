"""Workflows on a real server: every class of nodes that it serves, and what is reused after one change."""

import numpy as np
import pytest
from PIL import Image
from tiny_cut_out import red_disc
from vitrine import BadRequest
from vitrine_orchestrator.workflows.table import CLASSES

ELSEWHERE = {"text_to_image", "image_to_image", "score"}
"""Classes whose checkpoints tests/z_image and tests/clip serve, with tests of their own."""
SCENE = np.full((120, 160, 3), 210, np.uint8)
SCENE[72:] = (120, 80, 60)
PICTURES = {"mug": red_disc(120, 90, 28), "scene": SCENE}


def node(class_type, **inputs):
    """A node of a graph."""
    return {"class_type": class_type, "inputs": inputs}


def graph(text="신메뉴", shadow="cast"):
    """A try-on, and a product that is cut out in two ways and becomes an ad in two ways."""
    settings = {"light": "left", "shadow": shadow, "placements": [{"x": 0.3, "scale": 0.4}]}
    return {
        "photo": node("load_image", image="mug"),
        "table": node("load_image", image="scene"),
        "person": node("load_image", image="person"),
        "garment": node("load_image", image="garment"),
        "words": node("text", text="카페의 빨간 머그잔"),
        "prompt": node("prepare_ad_prompt", sentence=["words", 0], empty=True),
        "cut": node("cut_out", image=["photo", 0], product_side=64),
        "white": node("remove_background", image=["photo", 0], colour="white"),
        "small": node("resize", image=["white", 0], width=48, height=32, how="fit"),
        "ad": node("compose", scene=["table", 0], product=[["cut", 0]], settings=settings),
        "lettered": node("text_overlay", image=["ad", 0], texts=[text]),
        "whole": node("product_ad", product=[["photo", 0]], scene=["table", 0], settings=settings),
        "dressed": node("try_on", person=["person", 0], garment=[["garment", 0]], steps=2, seed=7),
        "file": node("save_image", image=["lettered", 0], name="ad.jpg"),
        "files": node("save_image", image=["small", 0], name="small.png"),
        "ours": node("save_image", image=["ad", 0], name="composed.png"),
        "theirs": node("save_image", image=["whole", 0], name="whole.png"),
        "worn": node("save_image", image=["dressed", 0], name="worn.png"),
    }


@pytest.fixture
def pictures(person, garment):
    """What every request sends."""
    return PICTURES | {"person": person, "garment": garment}


def statuses(done):
    """How each node ended."""
    return {one.name: one.status for one in done.nodes}


def test_a_node_of_every_class_runs(vitrine, pictures):
    """Each gives what its model gives alone; a class that is in no graph of a real server fails here."""
    asked = graph()
    assert {one["class_type"] for one in asked.values()} == CLASSES.keys() - ELSEWHERE
    done = vitrine.run_workflow(graph=asked, pictures=pictures)
    assert statuses(done) == dict.fromkeys(asked, "done"), done.failed
    cut = vitrine.cut_out(pictures["mug"], product_side=64)
    settings = asked["ad"]["inputs"]["settings"]
    alone = vitrine.compose(scene=SCENE, product=cut.encoded, settings=settings)
    assert done.files["composed.png"] == alone.encoded
    ad = vitrine.product_ad(product=pictures["mug"], scene=SCENE, settings=settings)
    assert done.files["whole.png"] == ad.encoded
    worn = vitrine.try_on(person=pictures["person"], garment=pictures["garment"], steps=2, seed=7)
    assert done.files["worn.png"] == worn.encoded
    assert (done.image("ad.jpg").format, done.image("ad.jpg").size) == ("JPEG", (160, 120))
    assert done.image("small.png").size == (43, 32)
    assert np.asarray(done.image("small.png").convert("RGB"))[0, 0].tolist() == [255, 255, 255]


def test_after_one_change_the_models_in_front_of_it_are_not_called(vitrine, pictures):
    """Triton's own counts say which models ran; the second composition is another one."""
    counted = ("cut_out", "prepare_ad_prompt", "compose", "text_overlay")

    def counts():
        found = {one.name: one.requests for one in vitrine.models()}
        return np.array([found[name] for name in counted])

    asked = {name: one for name, one in graph("첫째").items() if name not in ("whole", "theirs")}
    changed = {name: one for name, one in graph("첫째", "contact").items() if name in asked}
    first = vitrine.run_workflow(graph=asked, pictures=pictures)
    before = counts()
    second = vitrine.run_workflow(graph=changed, pictures=pictures)
    named = statuses(second)
    assert {named[one] for one in ("cut", "white", "prompt")} == {"reused"}, named
    assert (named["ad"], named["lettered"]) == ("done", "done")
    assert dict(zip(counted, (counts() - before).tolist(), strict=True)) == {
        "cut_out": 0,
        "prepare_ad_prompt": 0,
        "compose": 1,
        "text_overlay": 1,
    }
    assert first.files["composed.png"] != second.files["composed.png"]


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        ({"a": node("resize", image=["a", 0], width=8, height=8)}, "graph must have no cycle"),
        ({str(one): node("text", text="x") for one in range(10_000)}, "1 to 200 nodes, got 10000"),
        ({"../../etc/passwd": node("os.system", text="x")}, "class_type must be one of"),
        (
            {"1": node("load_image", image="mug"), "2": node("save_image", image=["1", 0], name="../a.png")},
            "input name must be at most 100 letters",
        ),
    ],
    ids=["cycle", "10 000 nodes", "unknown class", "path"],
)
def test_a_hostile_graph_is_refused_and_the_server_goes_on(vitrine, hostile, said):
    """A typed error, and the next request is served."""
    with pytest.raises(BadRequest, match=said):
        vitrine.run_workflow(graph=hostile, pictures={"mug": PICTURES["mug"]})
    assert vitrine.run_workflow(graph={"1": node("text", text="x")}).nodes[0].status == "done"


def test_an_id_that_is_a_path_is_only_a_name(vitrine):
    """It comes back in the report and names no file."""
    asked = {"../../a": node("load_image", image="mug"), "/b\\": node("save_image", image=["../../a", 0])}
    done = vitrine.run_workflow(graph=asked, pictures={"mug": PICTURES["mug"]})
    assert statuses(done) == dict.fromkeys(asked, "done")
    assert list(done.files) == ["image-1.png"]


def test_pictures_without_a_product_fail_their_own_nodes(vitrine):
    """A photograph of nothing and a line of pixels: the nodes behind them are not run, all others are."""
    blue = Image.new("RGB", (64, 64), (20, 20, 200))
    asked = {
        "empty": node("load_image", image="empty"),
        "cut": node("cut_out", image=["empty", 0]),
        "ad": node("compose", scene=["empty", 0], product=[["cut", 0]]),
        "file": node("save_image", image=["empty", 0], name="a.png"),
    }
    done = vitrine.run_workflow(graph=asked, pictures={"empty": blue})
    assert statuses(done) == {"empty": "done", "cut": "failed", "ad": "not run", "file": "done"}
    assert "no product found" in str(done.failed[0].error)
    with pytest.raises(BadRequest, match=r"picture 'empty' must be at least 32 pixels wide and high, got 1x"):
        vitrine.run_workflow(graph=asked, pictures={"empty": Image.new("RGB", (1, 4000))})


def test_a_scene_smaller_than_the_product_is_composed(vitrine):
    """The product is scaled down to fit; a scene of one pixel's width is refused."""
    product = np.zeros((300, 300, 4), np.uint8)
    product[10:-10, 10:-10] = (200, 30, 40, 255)
    made = vitrine.compose(scene=SCENE[:40, :48], product=Image.fromarray(product))
    assert made.image.size == (48, 40)
    assert 0 < (np.asarray(made.alpha) == 255).mean() < 0.5
    with pytest.raises(BadRequest, match="scene must be at least 32 pixels wide and high, got 1x4000"):
        vitrine.compose(scene=np.zeros((4000, 1, 3), np.uint8), product=Image.fromarray(product))
