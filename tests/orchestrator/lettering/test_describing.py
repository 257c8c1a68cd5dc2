"""What a server and a picture offer for texts."""

import asyncio
import json

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.describing import described_fonts, described_picture
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.lettering.overlay import Setters
from vitrine_orchestrator.lettering.pipeline import text_overlay
from vitrine_orchestrator.pipeline.request_context import read_report

WIDTH, HEIGHT = 400, 300


@pytest.fixture(scope="module")
def context():
    """The fonts of this machine."""
    setters = Setters(open_fonts(None))
    yield TextContext(setters)
    setters.close()


def picture():
    """Dark blue above, noise in the lower two thirds."""
    noise = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise[:100] = (10, 20, 60)
    return noise


def test_a_pictures_quiet_part_is_found():
    """The banner stands there, in white, and its contrast is that of the two colours."""
    told = described_picture(picture(), None)
    assert told["size"] == [WIDTH, HEIGHT]
    banner = told["places"][0]
    left, _, right, bottom = banner["box"]
    assert (banner["shape"], banner["ink"], banner["busy"]) == ("banner", "#ffffff", 0)
    assert banner["anchor"].startswith("top")
    assert bottom <= 1 / 3
    assert right - left == pytest.approx(0.8, abs=0.01)
    assert banner["contrast_p5"] > 15
    assert told["colours"][0]["share"] >= 0.3
    assert sum(one["share"] for one in told["colours"]) <= 1.001


def test_what_must_stay_free_is_not_offered():
    """No place covers the mask, none covers another, and where all is taken there is none."""
    keep = np.zeros((HEIGHT, WIDTH), np.uint8)
    keep[:, :220] = 255
    told = described_picture(picture(), keep)
    assert told["free"] == pytest.approx(0.45, abs=0.01)
    boxes = [place["box"] for place in told["places"]]
    assert boxes
    assert all(left >= 220 / WIDTH for left, _, _, _ in boxes)
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    assert described_picture(picture(), np.full((HEIGHT, WIDTH), 255, np.uint8))["places"] == []


def test_the_smallest_picture_is_described():
    """One pixel has a colour and its size."""
    told = described_picture(np.full((1, 1, 3), 200, np.uint8), None)
    assert told["size"] == [1, 1]
    assert told["colours"] == [{"colour": "#c8c8c8", "share": 1.0}]


def test_a_kinds_families_can_be_named(context):
    """Each family of a kind is one that the fonts find."""
    told = described_fonts(context.setters.fonts)
    assert told["kinds"].keys() == {"sans", "serif", "round"}
    for family in {name for names in told["kinds"].values() for name in names}:
        assert context.setters.fonts.faces(family, "bold", "ko")


def test_the_model_answers_with_a_report_alone(context):
    """Fonts without a picture, both with one; a mask of another size is refused."""

    def described(**inputs):
        asked = {"describe": np.array([True]), **inputs}
        return asyncio.run(text_overlay(context, None, asked))

    alone, both = described(), described(image_raw=picture())
    assert alone.keys() == both.keys() == {"report"}
    assert "picture" not in read_report(alone)
    assert read_report(both)["picture"]["size"] == [WIDTH, HEIGHT]
    assert described(texts=np.array(['["신메뉴"]'.encode()], object)).keys() == {"report"}
    with pytest.raises(BadRequest, match="keep_clear must be"):
        described(image_raw=picture(), keep_clear=np.zeros((3, 3), np.uint8))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["신메뉴 🔥"], r"texts\[0\].text must have characters that its fonts can draw .* got '🔥'"),
        (["a", {"text": "a", "font": "없음"}], "font must be one of sans"),
        (
            ["a", {"text": "a", "template": "card", "subline": "🔥"}],
            r"texts\[1\].subline must have characters",
        ),
        ([{"html": "<p>a</p>"}], "html must not be given: this server draws no pages"),
        ([], "texts must be a JSON list of 1 to 16 texts, got 0"),
    ],
)
def test_texts_are_checked_without_a_picture(context, texts, said):
    """What no picture could show is refused; so a pipeline learns it before it draws one."""
    asked = {"describe": np.array([True]), "texts": np.array([json.dumps(texts).encode()], object)}
    with pytest.raises(BadRequest, match=said):
        asyncio.run(text_overlay(context, None, asked))
