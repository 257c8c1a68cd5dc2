"""Networks that are kept as ONNX Runtime runs them."""

import logging
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import SessionOptions
from vitrine_orchestrator.engine.prepared_graphs import (
    NoPreparedGraphs,
    PreparedGraphs,
    open_prepared_graphs,
)

CPU = ("CPUExecutionProvider",)
PICTURE = np.linspace(-1, 1, 3 * 8 * 8, dtype=np.float32).reshape(1, 3, 8, 8)


def network(path, seed=0, external=False):
    """Write a convolution with its activation, which ONNX Runtime joins."""
    weights = np.random.default_rng(seed).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 0}
    onnx.save(model, path, **(about if external else {}))
    return path


def answer(graphs, path):
    """What a network makes of a picture."""
    return graphs.open(path, SessionOptions(), CPU).run(None, {"x": PICTURE})[0]


@pytest.fixture
def kept(tmp_path):
    """The folder of prepared graphs."""
    return tmp_path / "graphs"


@pytest.fixture
def path(tmp_path):
    """A network."""
    return network(tmp_path / "model.onnx")


def test_a_network_is_kept_once_and_answers_as_before(kept, path):
    """By its first opening, its second and without a folder: the same numbers."""
    wanted = answer(NoPreparedGraphs(), path)
    first, (file,) = answer(PreparedGraphs(kept), path), list(kept.iterdir())
    made = file.stat().st_ino
    second = answer(PreparedGraphs(kept), path)
    assert np.array_equal(first, wanted)
    assert np.array_equal(second, wanted)
    assert [one.stat().st_ino for one in kept.iterdir()] == [made]


def test_the_kept_graph_is_what_is_opened(kept, tmp_path, path):
    """Control: with another network's graph under its name, a network answers as that one."""
    answer(PreparedGraphs(kept), path)
    (mine,) = kept.iterdir()
    other = network(tmp_path / "other.onnx", seed=1)
    wanted = answer(PreparedGraphs(kept), other)
    (theirs,) = set(kept.iterdir()) - {mine}
    theirs.replace(mine)
    assert np.array_equal(answer(PreparedGraphs(kept), path), wanted)


def test_a_changed_network_is_prepared_anew(kept, path):
    """The name depends on the file's bytes."""
    answer(PreparedGraphs(kept), path)
    changed = answer(PreparedGraphs(kept), network(path, seed=1))
    assert np.array_equal(changed, answer(NoPreparedGraphs(), path))
    assert len(list(kept.iterdir())) == 2


def test_a_broken_graph_is_prepared_again(kept, path, caplog):
    """It is logged; the network is opened all the same."""
    wanted = answer(PreparedGraphs(kept), path)
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(answer(PreparedGraphs(kept), path), wanted)
    assert "cannot be opened" in caplog.text
    assert file.stat().st_size == len(whole)


def test_a_folder_that_cannot_be_made_is_not_used(kept, path, caplog):
    """It is logged; the network is opened all the same."""
    kept.write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert answer(PreparedGraphs(kept), path).shape == (1, 4, 8, 8)
    assert "not kept" in caplog.text


def test_the_longest_unused_go_first(kept, tmp_path):
    """Beyond the limit in bytes."""
    paths = [network(tmp_path / f"{seed}.onnx", seed) for seed in range(3)]
    answer(PreparedGraphs(kept), paths[0])
    (first,) = kept.iterdir()
    answer(PreparedGraphs(kept), paths[1])
    for age, file in enumerate(sorted(kept.iterdir(), key=lambda file: file != first)):
        os.utime(file, (1000 - age, 1000 - age))
    answer(PreparedGraphs(kept, kept_bytes=round(2.5 * first.stat().st_size)), paths[2])
    assert first in kept.iterdir()
    assert len(list(kept.iterdir())) == 2


def test_weights_in_a_file_of_their_own_are_not_kept(kept, tmp_path):
    """They may be many gigabytes."""
    path = network(tmp_path / "large.onnx", external=True)
    assert answer(PreparedGraphs(kept), path).shape == (1, 4, 8, 8)
    assert not kept.exists()


def test_a_setting_names_the_folder(kept):
    """Without it nothing is kept."""
    assert isinstance(open_prepared_graphs({}), NoPreparedGraphs)
    assert isinstance(open_prepared_graphs({"VITRINE_GRAPH_FOLDER": str(kept)}), PreparedGraphs)
