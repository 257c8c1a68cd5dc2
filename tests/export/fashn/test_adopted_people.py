"""YOLOX's and DWPose's files are adopted by contract: names, shapes, dtypes and opset are checked."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from vitrine_export.checkpoint.fashn import FashnCheckpoint
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.adopted_onnx import adopt
from vitrine_export.exporting.onnx_file import session
from vitrine_export.exporting.order import Order
from vitrine_orchestrator.stages.fashn import ROWS

YOLOX, DWPOSE, GARMENT_PARSER = ROWS


def model(path, image, outputs, opset=11, kind=TensorProto.FLOAT, domain="", named=True):
    """A graph for one picture, as upstream exports it; each output is a part of the flat input, doubled.

    outputs: {name: dims}. named: whether the graph says its outputs' dims.
    """
    count = int(np.prod(image))
    nodes = [helper.make_node("Reshape", ["picture", "flat_shape"], ["flat"])]
    stored = {"flat_shape": np.array([count], np.int64), "axis": np.array([0], np.int64)}
    answers, start = [], 0
    for name, dims in outputs.items():
        stop = start + int(np.prod(dims))
        stored |= {f"{name}_from": np.array([start], np.int64), f"{name}_to": np.array([stop], np.int64)}
        stored[f"{name}_dims"] = np.array([1, *dims], np.int64)
        nodes += [
            helper.make_node("Slice", ["flat", f"{name}_from", f"{name}_to", "axis"], [f"{name}_part"]),
            helper.make_node("Add", [f"{name}_part", f"{name}_part"], [f"{name}_sum"], domain=domain),
            helper.make_node("Reshape", [f"{name}_sum", f"{name}_dims"], [name]),
        ]
        answers.append(helper.make_tensor_value_info(name, kind, [1, *dims] if named else None))
        start = stop if stop + int(np.prod(dims)) <= count else 0
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("picture", kind, [1, *image])],
        answers,
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    sets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    return path


IMAGE, CROP = (3, 640, 640), (3, 384, 288)
BOXES = {"output": (8400, 85)}
SIMCC = {"simcc_x": (133, 576), "simcc_y": (133, 768)}


@pytest.mark.parametrize(("row", "image", "outputs"), [(YOLOX, IMAGE, BOXES), (DWPOSE, CROP, SIMCC)])
def test_a_file_for_one_picture_answers_a_batch_under_the_stages_names(row, image, outputs, tmp_path):
    """All outputs of a batch equal what the source gives for each picture."""
    source = model(tmp_path / "net.onnx", image, outputs)
    assert adopt(row, source, tmp_path).looped
    pictures = np.random.default_rng(0).random((2, *image), np.float32)
    given = session(tmp_path / row.name / "1" / "model.onnx").run(
        [tensor.name for tensor in row.outputs], {"image": pictures}
    )
    single = [session(source).run(None, {"picture": picture[None]}) for picture in pictures]
    for answer, parts in zip(given, zip(*single, strict=True), strict=True):
        assert np.array_equal(answer, np.concatenate(parts))


WRONG = {
    "another size of picture": (
        {"image": (3, 416, 416), "outputs": {"output": (3549, 85)}},
        r"picture must be \[3, 640, 640\] for a picture, is \[3, 416, 416\]",
    ),
    "another number of boxes": (
        {"image": IMAGE, "outputs": {"output": (3549, 85)}},
        r"output must be \[8400, -1\] for a picture, is \[3549, 85\]",
    ),
    "another number, which the file does not say": (
        {"image": IMAGE, "outputs": {"output": (3549, 85)}, "named": False},
        r"boxes must be \[8400, -1\] for a picture, the network gave \[3549, 85\]",
    ),
    "another rank": (
        {"image": IMAGE, "outputs": {"output": (8400, 17, 5)}},
        r"output must be \[8400, -1\] for a picture, is \[8400, 17, 5\]",
    ),
    "half precision": (
        {"image": IMAGE, "outputs": BOXES, "kind": TensorProto.FLOAT16},
        r"picture must be float32, is float16",
    ),
    "an old opset": ({"image": IMAGE, "outputs": BOXES, "opset": 5}, r"opset must be 7 to \d+, is 5"),
    "operators of another runtime": (
        {"image": IMAGE, "outputs": BOXES, "domain": "acme"},
        r"operators must be onnxruntime's own, has some of acme",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_another_contract_is_refused(wrong, tmp_path):
    """The message names the file, what was expected and what was found."""
    form, message = WRONG[wrong]
    with pytest.raises(BadCheckpoint, match=r"net\.onnx: " + message):
        adopt(YOLOX, model(tmp_path / "net.onnx", **form), tmp_path)
    assert not (tmp_path / "yolox" / "1" / "model.onnx").exists()


def test_a_pose_network_with_one_output_is_refused(tmp_path):
    """Both SimCC outputs are needed."""
    with pytest.raises(BadCheckpoint, match=r"output 1 is dwpose's, but there are only \['simcc_x'\]"):
        adopt(DWPOSE, model(tmp_path / "net.onnx", CROP, {"simcc_x": (133, 576)}), tmp_path)


def test_exchanged_outputs_are_refused(tmp_path):
    """The rows' scores in place of the columns' are seen by their number."""
    outputs = {name: SIMCC[name] for name in ("simcc_y", "simcc_x")}
    with pytest.raises(BadCheckpoint, match=r"simcc_y must be \[133, 576\] for a picture, is \[133, 768\]"):
        adopt(DWPOSE, model(tmp_path / "net.onnx", CROP, outputs), tmp_path)


def test_a_segmenter_takes_bytes(tmp_path):
    """The optional segmenter gets RGB bytes and gives one label for each pixel."""
    node = helper.make_node("ReduceMax", ["picture"], ["labels"], axes=[3], keepdims=0)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["n", 576, 384, 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, ["n", 576, 384])],
    )
    source = tmp_path / "any.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), source)
    assert not adopt(GARMENT_PARSER, source, tmp_path).looped


def test_a_segmenter_is_exported_where_the_checkpoint_has_one(tmp_path):
    """A checkpoint without it is complete."""
    order = Order(FashnCheckpoint(tmp_path), tmp_path / "repository")
    assert order.all_stages == ("yolox", "dwpose", "denoise")
    (tmp_path / "garment_parser").mkdir()
    (tmp_path / "garment_parser" / "garment_parser.onnx").touch()
    assert "garment_parser" in order.all_stages
