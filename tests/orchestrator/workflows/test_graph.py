"""What is wrong with a graph is said before any node runs, and names node and input."""

import json
import unicodedata
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.workflows.graph import MAX_GRAPH, MAX_NODES, read_graph
from vitrine_orchestrator.workflows.request import workflow_request
from vitrine_orchestrator.workflows.table import CLASSES
from workflow_models import png

DRAW = {"class_type": "text_to_image", "inputs": {"prompt": "a cup", "seed": 1}}


def node(kind, **inputs):
    """An entry of a graph."""
    return {"class_type": kind, "inputs": inputs}


def request(graph, **pictures):
    """Reads a request; pictures by name."""
    text = graph if isinstance(graph, bytes) else json.dumps(graph).encode()
    inputs = {"graph": np.array([text], np.object_)}
    if pictures:
        inputs["picture_name"] = np.array([name.encode() for name in pictures], np.object_)
        inputs["picture"] = np.array(list(pictures.values()), np.object_)
    return workflow_request(inputs, Limits(), CLASSES)


WRONG = [
    ({}, "graph must have 1 to 200 nodes, got 0"),
    ([], "graph must be an object of nodes by id, got list"),
    (b"{", "graph must be JSON"),
    (b"[" * 200_000, "graph must be JSON"),
    (b'{"1": "\\ud800"}', "graph must be JSON"),
    (b'{"1": NaN}', "NaN is no number of JSON"),
    (b'{"a": 1, "a": 2}', "each name once in an object, got 'a' twice"),
    (b" " * (MAX_GRAPH + 1), "graph must have at most 1000000 bytes, got 1000001"),
    ({"": DRAW}, "an id must have 1 to 100 characters, got 0"),
    ({"1": 3}, "node '1' (?) must be an object of class_type and inputs"),
    (
        {"1": DRAW | {"colour": 3}},
        "must have no names but class_type, inputs, _meta, is_changed, got 'colour'",
    ),
    (
        {"nodes": [], "links": [], "version": 0.4},
        "the file that ComfyUI's editor saves: use its Export (API)",
    ),
    ({"prompt": {"1": node("KSampler")}}, "node '1' (KSampler): class_type must be one of"),
    ({"1": node("KSampler")}, "node '1' (KSampler): class_type must be one of load_image, save_image"),
    ({"1": {"class_type": ["x"]}}, "class_type must be one of"),
    ({"1": {"class_type": "text", "inputs": []}}, "node '1' (text): inputs must be an object, got list"),
    ({"1": node("text_to_image")}, "node '1' (text_to_image), input prompt must be given: TEXT"),
    (
        {"1": node("text_to_image", prompt="x", size=3)},
        "input size: there is no such input; the inputs are prompt",
    ),
    (
        {"1": node("text_to_image", prompt=3)},
        "input prompt must be a text of at most 10000 characters, got 3",
    ),
    ({"1": node("text_to_image", prompt="x" * 10_001)}, "input prompt must be a text of at most 10000"),
    ({"1": node("text_to_image", prompt="x", steps=2.5)}, "input steps must be a whole number, got 2.5"),
    ({"1": node("text_to_image", prompt="x", steps=True)}, "input steps must be a whole number, got True"),
    ({"1": node("text_to_image", prompt="x", guidance="2")}, "input guidance must be a number, got '2'"),
    ({"1": node("text_to_image", prompt="x", guidance=10**400)}, "input guidance must be a number"),
    ({"1": node("cut_out", image="mug.png")}, "input image must be a link to a picture, such as"),
    ({"1": node("cut_out", image=["2", 0])}, "node '1' (cut_out), input image: there is no node '2'"),
    ({"1": DRAW, "2": node("cut_out", image=["1", 2])}, "node '1' (text_to_image) has outputs 0 to 1, got 2"),
    ({"1": DRAW, "2": node("cut_out", image=["1", -1])}, "has outputs 0 to 1, got -1"),
    (
        {"1": DRAW, "2": node("cut_out", image=["1", 1])},
        "input image must be IMAGE, got INT: output seed of node '1'",
    ),
    (
        {"1": DRAW, "2": node("save_image", image=["1", 0]), "3": node("cut_out", image=["2", 0])},
        "has no output, got 0",
    ),
    (
        {"1": node("image_to_image", prompt="x", image=["1", 0])},
        "graph must have no cycle, got one: nodes '1'",
    ),
    (
        {"a": node("cut_out", image=["b", 0]), "b": node("cut_out", image=["a", 0]), "c": DRAW},
        "no cycle, got one: nodes 'a', 'b' wait",
    ),
    (
        {
            "a": node("cut_out", image=["b", 0]),
            "b": node("cut_out", image=["a", 0]),
            "c": node("cut_out", image=["b", 0]),
            "d": node("save_image", image=["c", 0]),
        },
        "no cycle, got one: nodes 'a', 'b' wait",
    ),
    (
        {"1": DRAW, "t": node("text", text="a"), "2": node("text_overlay", image=["1", 0], texts=["t", 0])},
        "node '2' (text_overlay), input texts must be JSON of the graph itself, got a link to node 't'",
    ),
    (
        {"1": DRAW, "2": node("text_overlay", image=["1", 0], texts=[{"text": ["1", 1]}])},
        "input texts must be JSON of the graph itself, got a link to node '1'",
    ),
    (
        {"1": node("load_image", image=["2", 0]), "2": node("text", text="x")},
        "input image must be a value and no link",
    ),
    ({"1": node("load_image", image="mug")}, "input image must name a picture that was sent (none)"),
    (
        {"1": DRAW, "2": node("resize", image=["1", 0], width=0, height=9)},
        "input width must be 1 to 8192, got 0",
    ),
    (
        {"1": DRAW, "2": node("resize", image=["1", 0], width=10**4000, height=9)},
        "input width must be 1 to 8192, got 1000",
    ),
    ({"1": DRAW, "2": node("cut_out", image=["1", 10**4000])}, "has outputs 0 to 1, got 1000"),
    (
        {"1": DRAW, "2": node("resize", image=["1", 0], width=9, height=9, how="x")},
        "input how must be one of fit, crop",
    ),
    (
        {"1": DRAW, "2": node("cut_out", image=["1", 0], box=[1, "2"])},
        "input box must be a list of whole numbers",
    ),
]


@pytest.mark.parametrize(("graph", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_graph_is_refused(graph, said):
    """The message gives node, input, rule and value."""
    with pytest.raises(BadRequest) as caught:
        request(graph)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 700


NAMES = [
    "../etc/passwd.png",
    "a/b.png",
    "a\\b.png",
    ".png",
    ".hidden.png",
    "-o.png",
    "a.png\n",
    "a.exe",
    "png",
    "a" * 97 + ".png",
    "가" * 96 + ".png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_s_name_can_name_no_folder(name):
    """Neither on the server, which writes nothing, nor where a client writes the file."""
    with pytest.raises(BadRequest, match=r"node '2' \(save_image\), input name must"):
        request({"1": DRAW, "2": node("save_image", image=["1", 0], name=name)})


def test_two_files_cannot_have_one_name():
    """Not even in other letters: some file systems do not tell them apart."""
    graph = {"1": DRAW, "2": node("save_image", image=["1", 0], name="a.png")}
    with pytest.raises(BadRequest, match=r"input name must be another one than of node .2.: A\.png"):
        request(graph | {"3": node("save_image", image=["1", 0], name="A.png")})


def test_a_name_that_fits_a_file_system_is_taken():
    """At most 240 bytes in UTF-8; a letter of Hangul has three."""
    longest = "가" * 78 + ".webp"
    found = request({"1": DRAW, "2": node("save_image", image=["1", 0], name=longest)})
    assert found.graph["2"].literals["name"] == longest
    with pytest.raises(BadRequest, match="must have at most 240 bytes in UTF-8, got 241"):
        request({"1": DRAW, "2": node("save_image", image=["1", 0], name=f"가{longest[:-1]}")})


def test_a_file_without_a_name_takes_the_next_free_one():
    """Names that other nodes have are not taken, whichever stands first; numbers count the saving nodes."""
    save = node("save_image", image=["1", 0])
    taken = node("save_image", image=["1", 0], name="Image-2.PNG")
    for graph in ({"a": taken, "b": save, "c": save}, {"b": save, "c": save, "a": taken}):
        found = request({"1": DRAW, **graph}).graph
        names = {found[one].literals["name"] for one in "abc"}
        assert len(names) == 3
        assert names - {"Image-2.PNG"} < {"image-1.png", "image-3.png", "image-4.png"}


def test_names_are_the_same_composed_and_taken_apart():
    """macOS takes names apart (NFD); the answer has them composed (NFC)."""
    apart = partial(unicodedata.normalize, "NFD")
    load, save = (
        node("load_image", image="머그"),
        node("save_image", image=["1", 0], name=apart("カフェが.png")),
    )
    found = request({"1": load, "2": save}, **{apart("머그"): png((1, 2, 3))})
    assert found.graph["2"].literals["name"] == "カフェが.png"
    assert set(found.pictures) == {"머그"}
    found = request({"1": node("load_image", image=apart("머그"))}, 머그=png((1, 2, 3)))
    assert found.graph["1"].literals["image"] == "머그"
    with pytest.raises(BadRequest, match="picture_name must be different"):
        request({"1": load}, **{"머그": png((1, 2, 3)), apart("머그"): png((1, 2, 3))})


def test_an_id_that_is_a_path_is_a_name_like_any_other():
    """Ids are keys of dictionaries; a file without a name gets one from its number."""
    path = "../../etc/passwd\0"
    found = request({path: DRAW, "/": node("save_image", image=[path, 0])})
    assert found.graph["/"].literals["name"] == "image-1.png"


def test_a_huge_graph_is_counted_and_not_read():
    """10 000 nodes are refused before any is looked at."""

    class Unread(dict):
        def __contains__(self, name):
            raise AssertionError("a node was read")

    text = json.dumps({str(index): node("text", text="x") for index in range(10_000)})
    with pytest.raises(BadRequest, match=f"graph must have 1 to {MAX_NODES} nodes, got 10000"):
        read_graph(text, Unread(CLASSES))


def test_a_long_chain_is_put_in_order():
    """A chain of as many nodes as are allowed, sent backwards."""
    ids = [str(index) for index in range(MAX_NODES)]
    chain = {one: node("resize", image=[before, 0], width=8, height=8) for before, one in pairwise(ids)}
    graph = dict(reversed(chain.items())) | {"0": DRAW}
    assert list(read_graph(json.dumps(graph), CLASSES)) == ids


def test_an_editor_s_notes_are_passed_over():
    """ComfyUI's `_meta` says what an editor shows."""
    notes = {"_meta": {"title": "Draw"}, "is_changed": ["a"]}
    assert request({"1": DRAW | notes}).graph["1"].kind.name == "text_to_image"


def test_a_body_of_comfyui_s_prompt_is_read():
    """Its nodes are the graph; a node may still have the id `prompt`."""
    assert list(request({"prompt": {"1": DRAW}, "client_id": "x"}).graph) == ["1"]
    assert list(request({"prompt": DRAW}).graph) == ["prompt"]


def test_json_may_have_any_words_and_any_depth():
    """A list that names no node is no link, and deep JSON is read to its end."""
    deep = ["x", 0]
    for _ in range(400):
        deep = [deep]
    for texts in (["no node", 0], deep):
        request({"1": DRAW, "2": node("text_overlay", image=["1", 0], texts=texts)})


@pytest.mark.parametrize(
    ("names", "files", "said"),
    [
        ([b"a"], [b"x", b"y"], "picture_name must be one for each picture, got 1 for 2"),
        ([b"a", b"a"], [b"x", b"y"], "picture_name must be different"),
        ([b"%d" % index for index in range(33)], [b"x"] * 33, "picture must be at most 32, got 33"),
        ([b"a"], [b"x" * 100_000_001], "picture must be at most 100000000 bytes in all, got 100000001"),
        ([b"a"], [b"no picture"], "picture 'a' is"),
    ],
)
def test_wrong_pictures_are_refused(names, files, said):
    """Before any node runs."""
    graph = json.dumps({"1": node("load_image", image="a")}).encode()
    inputs = {
        name: np.array(one, np.object_)
        for name, one in (("graph", [graph]), ("picture_name", names), ("picture", files))
    }
    with pytest.raises(BadRequest, match=said):
        workflow_request(inputs, Limits(), CLASSES)


def test_a_request_without_a_graph_is_refused():
    """As an empty one is."""
    for inputs in ({}, {"graph": np.array([b""], np.object_)}):
        with pytest.raises(BadRequest, match="graph must be given"):
            workflow_request(inputs, Limits(), CLASSES)
