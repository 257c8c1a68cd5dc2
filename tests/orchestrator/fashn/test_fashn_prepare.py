"""The prepare pipelines of FASHN VTON over fake networks: what they send, answer, refuse and cache."""

import numpy as np
import pytest
from kept_values import Kept
from vitrine.errors import BadRequest, NotFound
from vitrine_orchestrator.fashn import masks
from vitrine_orchestrator.fashn.canvas import on_canvas, shrunk
from vitrine_orchestrator.pipeline.request_context import picture_digest, read_report, text_array
from vitrine_orchestrator.stages.fashn import GARMENT_CONDITIONING, PERSON_CONDITIONING, PERSON_PLACES

PHOTO = np.random.default_rng(0).integers(0, 255, (300, 150, 3), dtype=np.uint8)
SHIRT = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)


async def test_the_person_lies_on_the_canvas_with_black_around(fashn):
    """Picture and pose have the canvas's size; `place` says where the picture is."""
    world = fashn.World()
    answer = await world("prepare_person", {"person_raw": PHOTO})
    canvas, padding = on_canvas(shrunk(PHOTO, fashn.height), (fashn.width, fashn.height))
    assert np.array_equal(answer["person_picture"], canvas)
    left, top, right, bottom = answer["place"]
    assert (left, top) == (padding.left, padding.top)
    assert (right - left, bottom - top) == (72, 144)
    pose = answer["person_pose_picture"]
    assert pose.shape == (fashn.height, fashn.width)
    assert pose[:, left:right].any()
    assert not pose[:, :left].any()
    for tensor in (*PERSON_CONDITIONING, *PERSON_PLACES):
        assert answer[tensor.name].ndim == len(tensor.dims)


async def test_keypoints_are_shares_of_the_canvas(fashn):
    """The nose is drawn where the keypoint says, with the grey of its disc."""
    answer = await fashn.World()("prepare_person", {"person_raw": PHOTO})
    x, y, seen = answer["keypoints"][0]
    assert seen == 1
    assert answer["person_pose_picture"][int(y * fashn.height), int(x * fashn.width)] > 200
    assert (answer["face_points"] == -1).all()


async def test_a_point_chooses_the_person_below_it(fashn):
    """The point is in pixels of the sent picture, whatever is cut off."""
    world = fashn.World(boxes=((0.0, 0.0, 0.45, 1.0), (0.6, 0.2, 0.9, 0.8)))
    wide = np.random.default_rng(0).integers(0, 100, (300, 400, 3), dtype=np.uint8)
    inputs = {"person_raw": wide, "person_point": np.array([300, 150], np.int32)}
    answer = await world("prepare_person", inputs)
    assert answer["keypoints"][0, 0] > 0.5


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (PHOTO[:120, :60], r"person must be at least 64x64 px, got 60x120"),
        (np.zeros((70, 600, 3), np.uint8), r"person must be at most 8 times as long in one direction"),
    ],
)
async def test_a_picture_that_shows_too_little_is_refused(fashn, picture, message):
    """The rule and the size are named, and no network is called."""
    world = fashn.World()
    with pytest.raises(BadRequest, match=message):
        await world("prepare_person", {"person_raw": picture})
    assert world.calls == ["prepare_person"]


async def test_a_picture_without_a_person_is_refused(fashn):
    """With advice which picture to send."""
    with pytest.raises(BadRequest, match="none was found: send a photograph that shows one person"):
        await fashn.World(boxes=(), seen=0.1)("prepare_person", {"person_raw": PHOTO})


async def test_a_known_person_is_not_looked_at_again(fashn):
    """By content and by id; an id alone is answered from the cache, with another choice of person too."""
    world = fashn.World(memo=Kept())
    first = await world("prepare_person", {"person_raw": PHOTO, "person_id": text_array("ann")})
    again = await world("prepare_person", {"person_id": text_array("ann")})
    assert read_report(again)["sources"] == {"person": "memory"}
    assert np.array_equal(first["person_picture"], again["person_picture"])
    assert world.calls.count("yolox") == 1
    point = np.array([fashn.width // 2, fashn.height // 2], np.int32)
    chosen = await world("prepare_person", {"person_id": text_array("ann"), "person_point": point})
    assert np.array_equal(chosen["person_picture"], first["person_picture"])
    with pytest.raises(
        NotFound, match=r"'bob' is not known: .* the model fashn and crop fit, without a choice"
    ):
        await world("prepare_person", {"person_id": text_array("bob")})


async def test_each_crop_of_an_id_is_prepared_by_itself(fashn):
    """The order of requests decides nothing, and a pipeline's picture is not cropped again."""
    world = fashn.World(memo=Kept())
    known = {"person_id": text_array("ann"), "crop": text_array("crop")}
    wide = np.ascontiguousarray(PHOTO[: PHOTO.shape[0] // 2])
    cropped = await world("prepare_person", {"person_raw": wide, **known})
    fit = await world("prepare_person", {"person_raw": wide, "person_id": text_array("ann")})
    assert not np.array_equal(cropped["person_picture"], fit["person_picture"])
    for crop, first in (("crop", cropped), ("fit", fit)):
        again = await world("prepare_person", known | {"crop": text_array(crop)})
        assert np.array_equal(again["person_picture"], first["person_picture"])
    with pytest.raises(NotFound, match="for the model fashn and crop squash"):
        await world("prepare_person", known | {"crop": text_array("squash")})
    digest = {"person_digest": text_array(picture_digest(wide))}
    whole = await world("prepare_person", {"person_raw": wide, **digest, **known})
    assert np.array_equal(whole["person_picture"], fit["person_picture"])


async def test_another_picture_under_an_id_replaces_the_first(fashn):
    """The answer always belongs to the picture that was sent."""
    world = fashn.World(memo=Kept())
    await world("prepare_person", {"person_raw": PHOTO, "person_id": text_array("ann")})
    other = await world("prepare_person", {"person_raw": PHOTO[::-1], "person_id": text_array("ann")})
    kept = await world("prepare_person", {"person_id": text_array("ann")})
    assert np.array_equal(other["person_picture"], kept["person_picture"])


async def test_a_flat_garment_has_a_black_pose(fashn):
    """Where nobody is detected, the picture is used as it is and no pose is drawn."""
    world = fashn.World(boxes=())
    answer = await world("prepare_garment", {"garment_raw": SHIRT})
    canvas, _ = on_canvas(shrunk(SHIRT, fashn.height), (fashn.width, fashn.height))
    assert np.array_equal(answer["garment_picture"], canvas)
    assert not answer["garment_pose_picture"].any()
    assert world.calls == ["prepare_garment", "yolox"]
    assert all(tensor.name in answer for tensor in GARMENT_CONDITIONING)


async def test_a_worn_garment_is_refused_where_no_segmenter_is_configured(fashn):
    """With advice; the caller may say that nobody is in the picture."""
    world = fashn.World()
    with pytest.raises(
        BadRequest, match="got one that a person wears: send a photograph of the garment laid"
    ):
        await world("prepare_garment", {"garment_raw": SHIRT})
    with pytest.raises(BadRequest, match="garment_photo_type must be flat-lay or auto on this server"):
        await world("prepare_garment", {"garment_raw": SHIRT, "garment_photo_type": text_array("model")})
    calls = len(world.calls)
    await world("prepare_garment", {"garment_raw": SHIRT, "garment_photo_type": text_array("flat-lay")})
    assert world.calls[calls:] == ["prepare_garment"]
    with pytest.raises(
        BadRequest, match="garment_photo_type must be one of auto, flat-lay, model, got 'hang'"
    ):
        await world("prepare_garment", {"garment_raw": SHIRT, "garment_photo_type": text_array("hang")})


def labelled(name):
    """A segmenter's answer: the label in the upper half, background below."""
    labels = np.zeros((576, 384), np.uint8)
    labels[:288] = masks.LABELS.index(name)
    return labels


@pytest.mark.parametrize("photo", ["auto", "model"])
async def test_a_worn_garment_is_cut_out_by_the_segmenter(fashn, photo):
    """Outside the category's labels the picture is grey, and the wearer's pose is drawn."""
    world = fashn.World(labels=labelled("top"))
    answer = await world("prepare_garment", {"garment_raw": SHIRT, "garment_photo_type": text_array(photo)})
    picture = answer["garment_picture"]
    left, top = (fashn.width - 96) // 2, (fashn.height - 96) // 2
    assert (picture[top + 50 : top + 90, left + 5 : left + 90] == masks.GREY).all()
    assert (picture[top + 5 : top + 40] != masks.GREY).any()
    assert answer["garment_pose_picture"].any()


async def test_a_category_that_is_not_worn_is_refused(fashn):
    """The message names the category."""
    inputs = {"garment_raw": SHIRT, "category": text_array("lower_body")}
    with pytest.raises(BadRequest, match="garment must show bottoms, and none were found on the person"):
        await fashn.World(labels=labelled("top"))("prepare_garment", inputs)


async def test_a_known_garment_is_not_looked_at_again(fashn):
    """The kept answer depends on the category only where a segmenter may cut the garment out."""
    shirt = {"garment_raw": SHIRT}
    flat = fashn.World(boxes=(), memo=Kept())
    await flat("prepare_garment", shirt)
    await flat("prepare_garment", shirt | {"category": text_array("dresses")})
    assert flat.calls.count("yolox") == 1
    worn = fashn.World(labels=labelled("dress"), memo=Kept())
    await worn("prepare_garment", shirt)
    await worn("prepare_garment", shirt | {"category": text_array("dresses")})
    assert worn.calls.count("garment_parser") == 2
