"""FASHN VTON's `try_on` over fake networks: rounds, the difference mask, what paste-back promises."""

import asyncio
import io

import cv2
import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.fashn.difference import FACE_MOVED, difference_mask, kept_face, reach
from vitrine_orchestrator.fashn.pipeline import try_on
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import read_report, text_array

RED, BLUE = (255, 0, 0), (0, 0, 255)
BOTTOM = slice(100, 130)  # rows of the canvas that the painters paint
LEFT, RIGHT = 36, 60  # and their columns


def photo(height=720, width=480, seed=0):
    """A smooth picture: resizing it and back changes little."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 6, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def stripes(category):
    """Rows and colour of a category's garment in the fakes."""
    return (slice(60, 90), RED) if category == "upper_body" else (BOTTOM, BLUE)


def dress(person, garment, category):
    """The person's canvas with a rectangle of the category's colour, and a little noise everywhere."""
    rows, colour = stripes(category)
    grain = np.random.default_rng(0).integers(-3, 4, person.shape)
    made = np.clip(person.astype(int) + grain, 0, 255).astype(np.uint8)
    made[rows, LEFT:RIGHT] = colour
    return made


def sent(person, *categories, **more):
    """A request's inputs; the garments are all alike."""
    flat = encode(photo(200, 200, seed=1))
    options = {"garment_photo_type": ["flat-lay"] * len(categories), "category": categories}
    inputs = {"person_raw": person, "garment": np.array([flat] * len(categories), object)}
    inputs |= {name: np.array([one.encode() for one in value], object) for name, value in options.items()}
    return inputs | {"seed": np.array([1], np.uint64)} | more


def opened(answer, name="image"):
    return np.asarray(Image.open(io.BytesIO(answer[name][0])))


async def test_away_from_the_change_every_pixel_is_the_callers(fashn):
    """At the original's size; inside the change the picture is the network's, and grain is no change."""
    person = photo()
    answer = await try_on(fashn.World(paint=dress).context, sent(person, "upper_body"))
    picture, mask = opened(answer), opened(answer, "mask")
    assert picture.shape == person.shape
    assert np.array_equal(picture[mask == 0], person[mask == 0])
    scale = 720 // fashn.height
    changed = np.zeros(mask.shape, np.uint8)
    changed[60 * scale : 90 * scale, LEFT * scale : RIGHT * scale] = 1
    assert (mask[changed > 0] == 255).all()
    beyond = cv2.distanceTransform(1 - changed, cv2.DIST_L2, 5) > reach((fashn.height, fashn.width)) * scale
    assert (mask[beyond] == 0).all()
    assert np.abs(picture[65 * scale : 85 * scale, 40 * scale : 56 * scale] - np.array(RED)).max() <= 2
    assert read_report(answer)["mask"] == "difference"
    assert read_report(answer)["size"] == [480, 720]


async def test_several_garments_are_put_on_in_rounds(fashn):
    """The second round's person wears the first garment, and both are pasted into the original."""
    person, world = photo(), fashn.World(paint=dress)
    answer = await try_on(world.context, sent(person, "upper_body", "lower_body"))
    second = [i for name, i in zip(world.calls, world.inputs, strict=True) if name == "denoise"][1]
    assert np.abs(second["person_picture"][70:80, 42:54] - np.array(RED)).max() <= 2
    assert second["category"][0] == b"lower_body"
    picture, mask = opened(answer), opened(answer, "mask")
    for rows, colour in (stripes("upper_body"), stripes("lower_body")):
        middle = picture[(rows.start + 5) * 5 : (rows.stop - 5) * 5, 210:270]
        assert np.abs(middle - np.array(colour)).max() <= 2
    assert np.array_equal(picture[mask == 0], person[mask == 0])


async def test_without_paste_back_the_networks_picture_is_answered(fashn):
    """At the canvas's size, with its padding cut off."""
    inputs = sent(photo(720, 360), "upper_body", paste_back=np.array([False]))
    answer = await try_on(fashn.World(paint=dress).context, inputs)
    assert opened(answer).shape == (144, 72, 3)
    assert (opened(answer, "mask") == 255).all()
    assert read_report(answer)["mask"] == "none"


async def test_the_callers_mask_replaces_the_difference(fashn):
    """Only there is anything pasted."""
    person, mask = photo(), np.zeros((720, 480), np.uint8)
    mask[320:400] = 255
    inputs = sent(person, "upper_body", mask=np.array([encode(np.dstack([mask] * 3), "png")], object))
    answer = await try_on(fashn.World(paint=dress).context, inputs)
    picture = opened(answer)
    assert np.array_equal(picture[mask == 0], person[mask == 0])
    assert np.abs(picture[350:370, 210:270] - np.array(RED)).max() <= 2
    assert read_report(answer)["mask"] == "caller's"


@pytest.mark.parametrize("moved", [False, True])
async def test_a_face_stays_the_callers_unless_it_moved(fashn, moved):
    """The network may paint another face: it is taken only where the points of the face are elsewhere."""
    person, world = photo(), fashn.World(boxes=((0.0, 0.0, 1.0, 1.0),))

    def paint(canvas, garment, category):
        if moved:
            shift = 1.5 * FACE_MOVED
            world.joints = lambda: fashn.standing + [(shift, 0)] * 17
        made = canvas.copy()
        made[:90] = RED
        return made

    world.paint = paint
    answer = await try_on(world.context, sent(person, "upper_body"))
    world.joints = lambda: fashn.standing
    keypoints = (await world("prepare_person", {"person_raw": person}))["keypoints"]
    y, x = (keypoints[0, 1::-1] * (720, 480)).astype(int)
    same = np.array_equal(opened(answer)[y - 5 : y + 5, x - 5 : x + 5], person[y - 5 : y + 5, x - 5 : x + 5])
    assert same is not moved


async def test_a_long_picture_is_not_too_small_after_it_was_shrunk(fashn):
    """The rule is about the picture that was sent."""
    person = photo(720, 170)
    answer = await try_on(fashn.World(paint=dress).context, sent(person, "upper_body"))
    assert opened(answer).shape == person.shape


def test_a_face_without_points_is_not_kept():
    """Two points are too few to say that a face did not move."""
    keypoints = np.zeros((18, 3), np.float32)
    keypoints[[0, 14]] = [(0.5, 0.2, 1), (0.52, 0.18, 1)]
    unseen = np.full((68, 2), -1, np.float32)
    assert kept_face((keypoints, unseen), (keypoints, unseen), (144, 96)) is None


def test_a_speck_is_no_change():
    """Single pixels and the padding are not pasted; a hole as narrow as a gap is closed."""
    before = np.zeros((144, 96, 3), np.uint8)
    after = before.copy()
    after[10, 10] = 255
    after[:, :5] = 255
    after[60:80, 40:60] = 255
    after[70, 40:60] = 0
    mask = difference_mask(before, after, (12, 0, 84, 144))
    assert not mask[:40].any()
    assert not mask[:, :12].any()
    assert (mask[60:80, 40:60] == 255).all()


async def test_other_schedulers_are_refused(fashn):
    """The checkpoint's flow is the only one."""
    with pytest.raises(BadRequest, match="scheduler must be checkpoint for the model fashn, got 'ddim'"):
        await try_on(fashn.World().context, sent(photo(), "upper_body", scheduler=text_array("ddim")))


async def test_a_cancelled_request_cancels_its_job(fashn):
    """The job is named in the call that cancels it."""
    world, waiting = fashn.World(), asyncio.Event()
    answer, cancelled = world.denoise, []

    async def denoise(inputs):
        if "cancel" in inputs:
            cancelled.append(inputs["job"][0])
            return await answer(world.inputs[world.calls.index("denoise")])
        waiting.set()
        return await asyncio.Event().wait()

    world.denoise = denoise
    task = asyncio.create_task(try_on(world.context, sent(photo(), "upper_body")))
    await asyncio.wait_for(waiting.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == [world.inputs[world.calls.index("denoise")]["job"][0]]


@pytest.mark.parametrize("crop", ["crop", "squash"])
async def test_a_cropped_or_squashed_picture_comes_back_at_its_size(fashn, crop):
    """What crop leaves out is the caller's."""
    person = photo(400, 600)
    answer = await try_on(fashn.World(paint=dress).context, sent(person, "upper_body", crop=text_array(crop)))
    picture, mask = opened(answer), opened(answer, "mask")
    assert picture.shape == person.shape
    assert mask.any()
    assert np.array_equal(picture[mask == 0], person[mask == 0])
    if crop == "crop":
        assert not mask[:, :160].any()
