"""The small checkpoint finds drawn people with files of YOLOX's and DWPose's form."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from vitrine_export.checkpoint.fashn import DWPOSE_FILES
from vitrine_export.exporting.adopted_onnx import adopt
from vitrine_export.exporting.onnx_file import session
from vitrine_export.training.people import draw_scene, scene, wanted_cells
from vitrine_export.training.save import halve
from vitrine_orchestrator.fashn import dwpose, pose_picture
from vitrine_orchestrator.fashn.people import choose, find_people
from vitrine_orchestrator.person.choice import LARGEST
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import OnnxStages, Timed
from vitrine_world import dolls

CHECKPOINT = Path(__file__).parents[3] / "checkpoints" / "paper-doll-fashn"
SIZE = np.array([192, 256])


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The stages `yolox` and `dwpose`, adopted from the checkpoint's files as an export does."""
    repository = tmp_path_factory.mktemp("people")
    for name, file in DWPOSE_FILES.items():
        adopted = adopt(stage(name), CHECKPOINT / file, repository)
        assert not adopted.looped
    return Timed(OnnxStages(repository, threads=1))


def true_pose(person):
    """A doll's true joints as the pose that DWPose would give; hands and face have no points."""
    points = dolls.keypoints(person)
    subset = np.where(points[:, 2] > 0, np.arange(pose_picture.BODY), -1).astype(np.float64)
    return pose_picture.Pose(points[:, :2], subset)


def test_wanted_cells_are_read_back_as_the_boxes():
    """What the detector learns is what serving decodes."""
    draws = (scene(np.random.default_rng([number]), number) for number in range(50))
    picture, boxes = next(draw for draw in draws if len(draw[1]) == 2)
    _, scale = dwpose.letterbox(picture)
    wanted, whose = wanted_cells(boxes, scale)
    answer = np.concatenate((wanted, whose[:, None], np.ones_like(whose)[:, None]), axis=1)[None]
    found = dwpose.person_boxes(answer, scale)
    assert len(found) == 2
    assert np.allclose(sorted(found.tolist()), sorted(boxes), atol=0.01)


def test_a_scene_without_people_wants_no_cell():
    """Garments laid flat and plain pictures teach the detector what is nobody."""
    empty = [index for index in range(40) if not draw_scene(index)[2].any()]
    assert 2 <= len(empty) <= 20


def test_the_true_pose_is_drawn_where_the_joints_are():
    """All joints of a doll are visible, hands and face have no points."""
    person = dolls.sample(7, 0).person
    drawn = pose_picture.draw(true_pose(person), *SIZE)
    x, y = (dolls.keypoints(person)[0, :2] * SIZE).astype(int)
    assert drawn[y, x] == pose_picture.JOINT_GREYS[0]
    assert not (drawn == pose_picture.FACE_GREY).any()


def test_halved_weights_compute_the_same():
    """Large weights are stored in float16, small ones and the result's type stay."""
    weights = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(weights, "w")],
    )
    halve(graph)
    assert graph.initializer[0].data_type == TensorProto.FLOAT16
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    x = np.ones((1, 40), np.float32)
    assert np.allclose(session(model.SerializeToString()).run(None, {"x": x})[0], x @ weights, atol=0.05)


async def test_unseen_dolls_are_found_where_they_are(stages):
    """On the average a joint is within 3 px of a picture of 192x256; nearly all joints are seen."""
    errors, seen = [], []
    for index in range(8):
        person = dolls.sample(2001, index).person
        pose = choose(await find_people(stages, dolls.draw_person(person), whole=True), LARGEST)
        distance = np.linalg.norm((pose.body - dolls.keypoints(person)[:, :2]) * SIZE, axis=1)
        errors += distance[pose.subset >= 0].tolist()
        seen += (pose.subset >= 0).tolist()
    assert np.mean(errors) < 3
    assert np.mean(seen) > 0.9


async def test_two_dolls_side_by_side_are_two_people(stages):
    """Each has a box of its own."""
    both = [dolls.draw_person(dolls.sample(2002, index).person) for index in range(2)]
    assert len(await find_people(stages, np.concatenate(both, axis=1), whole=False)) == 2


async def test_a_flat_garment_shows_nobody(stages):
    """Otherwise it would be refused as worn."""
    for index in range(5):
        picture = dolls.draw_garment(dolls.sample(2003, index).garment)
        assert len(await find_people(stages, picture, whole=False)) == 0
