"""Stages are called without Triton: by ONNX Runtime in this process, by fakes, and with times."""

import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from vitrine.errors import Busy, Unavailable
from vitrine_orchestrator.stages.calls import FakeStages, OnnxStages, Timed


def write_text_encoder(version, factor):
    """A text encoder whose hidden states are the ids times `factor`."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "last"], ["wide"]),
        helper.make_node("Mul", ["wide", "factor"], ["hidden_states"]),
    ]
    graph = helper.make_graph(
        nodes,
        "text_encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", 77])],
        [helper.make_tensor_value_info("hidden_states", TensorProto.FLOAT, ["n", 77, 1])],
        [
            helper.make_tensor("last", TensorProto.INT64, [1], [2]),
            helper.make_tensor("factor", TensorProto.FLOAT, [], [factor]),
        ],
    )
    version.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        version / "model.onnx",
    )


async def test_onnx_stages_run_the_highest_version(tmp_path):
    """Version 10 goes before 9, as in Triton."""
    for number in (9, 10):
        write_text_encoder(tmp_path / "text_encoder" / str(number), number)
    outputs = await OnnxStages(tmp_path)("text_encoder", {"input_ids": np.ones((2, 77), np.int64)})
    assert outputs["hidden_states"].shape == (2, 77, 1)
    assert (outputs["hidden_states"] == 10).all()


async def test_a_network_that_was_not_exported_says_so(tmp_path):
    """The error has the command that exports it."""
    with pytest.raises(Unavailable, match=r"pose/1 has no model.onnx in .*: run make export"):
        await OnnxStages(tmp_path)("pose", {})


async def test_a_fake_records_its_calls():
    """A fake records its inputs in order, and raises an answer that is an error."""
    stages = FakeStages(pose=lambda given: {"pafs": given["image"]}, denoise=Busy("later"))
    image = np.zeros(3)
    assert (await stages("pose", {"image": image}))["pafs"] is image
    with pytest.raises(Busy):
        await stages("denoise", {})
    assert [name for name, _ in stages.calls] == ["pose", "denoise"]


async def test_time_is_added_up_by_stage():
    """Failures and blocks of our own code count too."""
    stages = Timed(FakeStages(pose=lambda given: time.sleep(0.01) or {}, denoise=Busy("later")))
    for _ in range(2):
        await stages("pose", {})
    with pytest.raises(Busy):
        await stages("denoise", {})
    with stages.measured("mask"):
        time.sleep(0.01)
    seconds = stages.rounded()
    assert seconds.keys() == {"pose", "denoise", "mask"}
    assert seconds["pose"] >= 0.02
