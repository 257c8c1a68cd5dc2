"""The pipeline `text_overlay`: texts that cover nothing and can be read, or a typed error."""

import asyncio
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.pipeline import text_overlay
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.stages.calls import FakeStages


def picture(width=320, height=240, level=120):
    """Noise around a level: a ground on which no colour has enough contrast everywhere."""
    drawn = np.random.default_rng(0).normal(level, 45, (height, width, 1)).clip(0, 255)
    return np.repeat(drawn, 3, 2).astype(np.uint8)


@pytest.fixture
def overlay(setters):
    """Sets texts on a picture (or an encoded one); gives the pixels and the report."""

    def run(shown, texts, **more):
        inputs = {"image_raw": shown} if isinstance(shown, np.ndarray) else {}
        inputs |= {"image": np.array([shown], object)} if isinstance(shown, bytes) else {}
        sent = texts if isinstance(texts, bytes) else json.dumps(texts).encode()
        context = TextContext(setters, Limits())
        outputs = asyncio.run(
            text_overlay(context, FakeStages(), {**inputs, "texts": np.array([sent], object), **more})
        )
        with Image.open(io.BytesIO(outputs["image"][0])) as made:
            return np.asarray(made), json.loads(outputs["report"][0])

    return run


def ratio_low(ground, ink):
    """The 5th percentile of WCAG's contrast of a colour with pixels (n, 3), computed anew."""

    def light(levels):
        share = np.asarray(levels, float) / 255
        return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ (
            0.2126,
            0.7152,
            0.0722,
        )

    one, other = light(ground) + 0.05, light(ink) + 0.05
    return np.percentile(np.maximum(one, other) / np.minimum(one, other), 5)


def test_a_text_finds_its_place_and_can_be_read(overlay):
    """On noise a scrim is laid: it ends beside what must stay clear, of which no pixel changes."""
    keep = np.zeros((240, 320), np.uint8)
    keep[90:, :200] = 255
    made, report = overlay(picture(), [{"text": "신메뉴 4,500원"}], keep_clear=keep)
    (told,) = report["texts"]
    assert np.array_equal(made[keep > 0], picture()[keep > 0])
    assert (told["method"], told["overlap"], told["found_by"]) == ("scrim", 0, "search")
    assert told["contrast_p5"] >= 4.5
    left, top, right, bottom = told["box"]
    ink = np.array(list(bytes.fromhex(told["colour"][1:])))
    inside = made[top:bottom, left:right]
    inked = (inside == ink).all(2).astype(np.uint8)
    assert inked.sum() > 50
    assert ratio_low(inside[cv2.dilate(inked, np.ones((5, 5))) == 0], ink) >= 4.5  # beside the letters' edges
    assert {"decode", "texts", "encode", "total"} <= report["timings"].keys()


@pytest.mark.parametrize("colour", ["white", "black", "#808080", "#d62828"])
def test_a_given_colour_is_kept_and_made_readable(overlay, colour):
    """Every colour has a scrim on which it can be read."""
    _, report = overlay(picture(), [{"text": "Sale", "colour": colour, "anchor": "top"}])
    (told,) = report["texts"]
    assert told["contrast_p5"] >= 4.5
    assert told["method"] == "scrim"


def test_without_a_cure_the_contrast_is_told_as_it_is(overlay):
    """The same text with contrast off: the report shows what the scrim had cured."""
    _, report = overlay(picture(), [{"text": "Sale", "contrast": "off", "anchor": "top"}])
    (told,) = report["texts"]
    assert (told["method"], told["scrim"]) == ("given", None)
    assert told["contrast_p5"] < 4.5
    assert told["contrast_share"] < 0.95


def test_an_outline_is_measured_around_the_letters(overlay):
    """With contrast outline no scrim is laid, and the rim has the contrast."""
    made, report = overlay(picture(), [{"text": "세일", "contrast": "outline", "size": 60, "anchor": "top"}])
    (told,) = report["texts"]
    assert (told["method"], told["scrim"]) == ("outline", None)
    assert told["contrast_p5"] >= 4.5
    assert np.array_equal(made[200:], picture()[200:])


@pytest.mark.parametrize("anchor", ["top-left", "bottom-right", "center"])
def test_a_text_by_hand_stands_at_its_anchor(overlay, anchor):
    """Inside the margin, touching it."""
    _, report = overlay(picture(), [{"text": "Sale", "anchor": anchor, "margin": 0.1, "size": 30}])
    left, top, right, bottom = report["texts"][0]["box"]
    assert {"top-left": (left, top), "bottom-right": (right, bottom), "center": (24, 24)}[anchor] in (
        (24, 24),
        (320 - 24, 240 - 24),
    )


def test_a_text_in_a_box_is_as_large_as_the_box_allows(overlay):
    """The box is in shares of the picture; size is the limit where it is smaller."""
    _, report = overlay(picture(), [{"text": "Sale", "box": [0, 0, 0.5, 0.5], "size": 500}])
    left, top, right, bottom = report["texts"][0]["box"]
    assert 140 <= right - left <= 160 or 105 <= bottom - top <= 120
    assert right <= 160
    assert bottom <= 120


def test_of_proposed_boxes_the_best_valid_one_is_taken(overlay):
    """One covers the product, one is too small, one is good; without a valid one the search decides."""
    keep = np.zeros((240, 320), np.uint8)
    keep[:, :160] = 255
    text = {"text": "Sale", "candidates": [[0, 0, 0.6, 0.5], [0.9, 0.9, 0.91, 0.91], [0.55, 0.5, 1, 0.9]]}
    _, report = overlay(picture(), [text], keep_clear=keep)
    (told,) = report["texts"]
    assert told["found_by"] == "candidate"
    assert told["box"][0] >= 0.55 * 320
    assert told["box"][1] >= 120
    _, report = overlay(picture(), [{**text, "candidates": text["candidates"][:2]}], keep_clear=keep)
    assert (report["texts"][0]["found_by"], report["texts"][0]["overlap"]) == ("search", 0)


def test_texts_do_not_cover_each_other(overlay):
    """Texts by hand are placed first, whatever the order."""
    _, report = overlay(
        picture(), [{"text": "가을 신상품"}, {"text": "20%", "anchor": "center", "size": 50}, "봄"]
    )
    boxes = [one["box"] for one in report["texts"]]
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize(
    "more",
    [
        {"rotation": 30},
        {"vertical": True},
        {"outline": True, "shadow": {"dx": 0.1, "blur": 0}},
        {"background": {"colour": "#ffee88", "opacity": 0.8, "padding": 0.5}},
        {"opacity": 0.5, "weight": "regular", "font": "serif"},
        {"align": "right", "spacing": 2, "lines": 5, "vertical": True, "rotation": -90},
    ],
    ids=str,
)
def test_every_way_of_setting_can_be_read_and_stays_in_the_picture(overlay, more):
    """The box lies in the picture and its contrast is enough, whatever the effects."""
    _, report = overlay(picture(), [{"text": "오늘의 신메뉴\n4,500원", "size": 30, **more}])
    (told,) = report["texts"]
    left, top, right, bottom = told["box"]
    assert 0 <= left < right <= 320
    assert 0 <= top < bottom <= 240
    assert told["contrast_p5"] >= 4.5


@pytest.mark.parametrize("rotation", [0, 30])
def test_a_soft_shadow_does_not_depend_on_what_lies_beyond_the_picture(overlay, rotation):
    """At an edge it looks as it does within a larger picture."""
    text = {"text": "Sale", "size": 90, "rotation": rotation, "contrast": "off", "colour": "white"}
    text["shadow"] = {"blur": 0.4, "dx": 0.6, "dy": -0.5, "opacity": 1}
    small, _ = overlay(picture(), [{**text, "box": [0, 0, 1, 0.75]}])
    beyond = np.pad(picture(), ((0, 240), (0, 320), (0, 0)), "edge")
    large, _ = overlay(beyond, [{**text, "box": [0, 0, 0.5, 0.375]}])
    assert np.abs(large[:240, :320].astype(int) - small).max() <= 2


def test_pixels_that_no_layer_touches_keep_their_values(overlay):
    """Blending in linear light changes nothing elsewhere."""
    made, _ = overlay(picture(), [{"text": "Sale", "anchor": "top-left", "size": 24}])
    assert np.array_equal(made[120:], picture()[120:])
    assert not np.array_equal(made[:60], picture()[:60])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (b"{", "texts must be a JSON list, got b'{'"),
        (b"[" * 100_000, "texts must be a JSON list"),
        ({"text": "a"}, "texts must be a JSON list of 1 to 16 texts, got dict"),
        ([], "texts must be a JSON list of 1 to 16 texts, got 0 texts"),
        (["a"] * 17, "texts must be a JSON list of 1 to 16 texts, got 17 texts"),
        ([7], r"texts\[0\] must be a text or an object, got int"),
        (["a", {"anchor": "top"}], r"texts\[1\].text must be given"),
        ([{"text": "a", "colour": "blau"}], r"texts\[0\].colour must be #rrggbb or one of white"),
        ([{"text": "a", "siez": 3}], r"texts\[0\] has unknown fields siez; known: text, anchor"),
        ([{"text": "a", "\ud800": 3}], r"texts\[0\] has unknown fields \\ud800; known: text, anchor"),
        ([{"text": "a", "box": [0, 0, 10**400, 1]}], r"texts\[0\].box must be left, top, right and bottom"),
        ([{"text": "a", "size": 1e999}], r"texts\[0\].size must be 6 to 2000, got inf"),
        ([{"text": "a", "size": 10, "min_size": 20}], "min_size must be at most size, 10, got 20"),
        ([{"text": "a", "outline": {"width": 9}}], r"texts\[0\].outline.width must be 0.01 to 0.3, got 9"),
        ([{"text": "a", "anchor": "north"}], r"texts\[0\].anchor must be one of auto, top-left"),
        ([{"text": "a" * 10_000}], "at most 1000 characters, got 10000"),
        ([{"text": "신메뉴 🔥"}], "got '🔥' U\\+1F525 FIRE"),
        ([{"text": "a\u202eb"}], "no controls of writing direction, got U\\+202E"),
        ([{"text": "a\ud800"}], "valid Unicode without lone surrogates"),
        ([{"text": "a", "font": "Comic Sans"}], "font must be one of sans"),
        ([{"text": "가" * 999}], r"texts\[0\] must fit at its least size of 8 px into"),
        (
            [{"text": "a", "opacity": 0.3, "colour": "black"}],
            r"texts\[0\].opacity must leave a contrast of 4.5",
        ),
    ],
    ids=range(22),
)
def test_what_cannot_be_done_is_a_bad_request(overlay, texts, said):
    """The message names the text, the field, the rule and the value."""
    with pytest.raises(BadRequest, match=said):
        overlay(picture(), texts)


@pytest.mark.parametrize(
    ("size", "said"),
    [((1, 4000), "at least 32 pixels wide and high, got 1x4000"), ((4000, 33), None), ((33, 4000), None)],
)
def test_a_picture_that_is_nearly_a_line(overlay, size, said):
    """A line of pixels is refused; a strip has text as large as it holds."""
    if said:
        with pytest.raises(BadRequest, match=said):
            overlay(picture(*size), ["가"])
        return
    made, report = overlay(picture(*size), [{"text": "가", "size": 12}])
    assert made.shape[:2] == size[::-1]
    assert report["texts"][0]["size"] == 12


def test_a_picture_without_room_is_refused(overlay):
    """With everything to be kept clear no text is put over it; by hand it may be."""
    keep = np.full((240, 320), 255, np.uint8)
    with pytest.raises(BadRequest, match=r"texts\[0\] must have a free place at its least size of 8 px"):
        overlay(picture(), ["Sale"], keep_clear=keep)
    _, report = overlay(picture(), [{"text": "Sale", "anchor": "top"}], keep_clear=keep)
    assert report["texts"][0]["overlap"] == 1


def test_what_must_stay_clear_has_the_pictures_size(overlay):
    """Another size or type is refused."""
    for keep in (np.zeros((10, 10), np.uint8), np.zeros((240, 320), np.float32)):
        with pytest.raises(BadRequest, match="keep_clear must be uint8 of the picture's height and width"):
            overlay(picture(), ["Sale"], keep_clear=keep)


def test_a_request_has_one_picture_and_texts(overlay):
    """Both are needed."""
    with pytest.raises(BadRequest, match="image or image_raw must be given"):
        overlay(None, ["Sale"])
    with pytest.raises(BadRequest, match="image and image_raw must not both be given"):
        overlay(picture(), ["Sale"], image=np.array([b"x"], object))
