"""What a network says when it cannot run on the inputs of a request."""

import numpy as np
import pytest
from vitrine.errors import BadRequest, VitrineError
from vitrine_orchestrator.engine.refusals import failed, refused

FEED = {"pixels": np.zeros((1, 3, 7, 7), np.float32), "ids": np.zeros((1, 2), np.int64)}
NODE = "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running {} node. "
GATHER = NODE.format("Gather") + "Name:'node_embedding' Status Message: {}"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            GATHER.format("indices element out of data bounds, idx=9"),
            "indices element out of data bounds, idx=9",
        ),
        (
            GATHER.format(
                "/onnxruntime_src/onnxruntime/core/reshape_helper.h:91 onnxruntime::ReshapeHelper(const "
                "onnxruntime::TensorShape&, bool) size == requested was false. The input tensor cannot be "
                "reshaped. Input shape:{1,2}, requested shape:{1,4}\n"
            ),
            "The input tensor cannot be reshaped. Input shape:{1,2}, requested shape:{1,4}",
        ),
        (GATHER.format("cannot open /home/me/model.onnx"), "cannot open …"),
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: image for the "
            "following indices\n index: 2 Got: 33 Expected: 320\n index: 3 Got: 33 Expected: 320\n Please",
            "index: 2 Got: 33 Expected: 320; index: 3 Got: 33 Expected: 320",
        ),
    ],
    ids=["vocabulary", "source", "path", "dimensions"],
)
def test_inputs_and_the_rule_are_named(said, reason):
    """ONNX Runtime's reason stands without its program's places and without paths."""
    error = failed("net", FEED, RuntimeError(said))
    assert type(error) is BadRequest
    assert str(error) == f"net cannot run on pixels FP32 [1, 3, 7, 7], ids INT64 [1, 2]: {reason}"


def test_without_a_reason_the_inputs_are_named():
    """A failure that says nothing that helps."""
    assert str(failed("net", FEED, RuntimeError("x"))).endswith("ids INT64 [1, 2]")


def test_memory_that_ran_out_is_not_the_callers_fault():
    """The code is INTERNAL."""
    error = failed("net", FEED, RuntimeError("Failed to allocate memory for requested buffer of size 9"))
    assert type(error) is VitrineError


def test_an_axis_of_0_is_named_before_the_network_runs():
    """Other shapes are the network's to judge."""
    assert refused("net", FEED) is None
    odd = FEED | {"ids": np.zeros((1, 0), np.int64)}
    assert str(refused("net", odd)) == "net cannot run on ids INT64 [1, 0]: no axis may be 0"
