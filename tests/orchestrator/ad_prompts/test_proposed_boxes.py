"""Boxes of a vision model, a real HTTP server: used where they are good, else the search decides."""

import asyncio
import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.ad_prompts.proposing import SHOWN_SIDE, vision_of
from vitrine_orchestrator.compose.pipeline import compose
from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.lettering.overlay import Setters
from vitrine_orchestrator.lettering.pipeline import text_overlay
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.settings import BadSettings, Settings
from vitrine_orchestrator.stages.calls import FakeStages

GOOD = '{"boxes": [[0.6, 0.05, 0.95, 0.3]]}'


@pytest.fixture(scope="module")
def setters():
    """The system's fonts; skipped where they are missing."""
    fonts = open_fonts(None)
    if "Noto Sans CJK KR" not in fonts.families():
        pytest.skip("fonts are missing: docker/system-packages.sh installs them")
    return Setters(fonts)


@pytest.fixture
def written(setters, endpoint):
    """Sets a text that asks for boxes on a plain picture whose left half must stay clear."""

    def run(vision=endpoint, **fields):
        keep = np.zeros((1200, 1600), np.uint8)
        keep[:, :800] = 255
        texts = [{"text": "신메뉴", "candidates": "model", **fields}]
        inputs = {
            "image_raw": np.full((1200, 1600, 3), 200, np.uint8),
            "texts": np.array([json.dumps(texts).encode()], object),
            "keep_clear": keep,
        }
        context = TextContext(setters, Limits(), vision)
        outputs = asyncio.run(text_overlay(context, FakeStages(), inputs))
        report = json.loads(outputs["report"][0])
        return report["texts"][0], report["timings"]

    return run


def test_a_text_stands_in_a_proposed_box(model, written):
    """The model gets the question and a small picture; its box is measured like any other."""
    model.reply(200, GOOD)
    told, timings = written()
    assert told["found_by"] == "candidate"
    assert told["proposed"] == {"boxes": [[0.6, 0.05, 0.95, 0.3]], "fallback": None}
    left, top, right, bottom = told["box"]
    assert 960 <= left < right <= 1520
    assert 60 <= top < bottom <= 360
    assert "vision" in timings
    question, picture = model.asked[0][2]["messages"][1]["content"]
    assert "신메뉴" in question["text"]
    data = base64.b64decode(picture["image_url"]["url"].partition("base64,")[2])
    with Image.open(io.BytesIO(data)) as image:
        assert max(image.size) == SHOWN_SIDE


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"boxes": [[0.1, 0.1, 0.4, 0.3]]}', "none of them fits the text and covers nothing"),
        ('{"boxes": [[0.6, 0.1, 0.602, 0.102]]}', "none of them fits the text and covers nothing"),
        ('{"boxes": [[2, 0, 3, 1]]}', "holds no box of four shares"),
        (f'{{"boxes": [[0, 0, {10**400}, 1]]}}', "holds no box of four shares"),
        ("I would put it on the right.", "is not a JSON object"),
    ],
    ids=["on the product", "too small", "outside", "no float", "prose"],
)
def test_a_bad_proposal_leaves_it_to_the_search(model, written, answer, said):
    """The text still covers nothing, and the report says why the model's box is not used."""
    model.reply(200, answer)
    told, _ = written()
    assert told["found_by"] == "search"
    assert said in told["proposed"]["fallback"]
    assert told["box"][0] >= 800
    assert told["overlap"] == 0


def test_a_model_that_is_slow_busy_or_missing_costs_nothing_but_its_time(model, endpoint, written):
    """One retry, a time limit, then the search."""
    model.reply(503, b"").reply(503, b"")
    assert written()[0]["proposed"]["fallback"].endswith("status 503")
    assert len(model.asked) == 2
    model.replies.clear()
    model.reply(200, GOOD)
    model.pause_s = 1.0
    quick = type(endpoint)(endpoint.url, "tiny", timeout_s=0.2)
    assert "within 0.2 s" in written(quick)[0]["proposed"]["fallback"]
    assert "no vision model (VITRINE_VISION_MODEL)" in written(None)[0]["proposed"]["fallback"]


def test_a_text_that_does_not_ask_is_no_question(model, written):
    """Boxes of the caller's own, or none, ask nobody."""
    told, _ = written(candidates=[[0.6, 0.1, 0.9, 0.3]])
    assert (told["found_by"], model.asked) == ("candidate", [])
    assert "proposed" not in told
    with pytest.raises(BadRequest, match=r"box and texts\[0\].candidates must not both"):
        written(box=[0, 0, 1, 1])


@pytest.fixture
def stood(endpoint):
    """Composes square products in a scene with a table below its middle: the boxes and the report's part."""

    def run(count=1, vision=endpoint, **settings):
        scene = np.full((400, 600, 3), 220, np.uint8)
        scene[240:] = (120, 80, 60)
        product = np.full((80, 80, 4), 255, np.uint8)
        file = io.BytesIO()
        Image.fromarray(product).save(file, "png")
        sent = json.dumps({"placed_by": "model", "shadow": "none", **settings}).encode()
        inputs = {
            "scene_raw": scene,
            "product": np.array([file.getvalue()] * count, object),
            "settings": np.array([sent], object),
        }
        outputs = asyncio.run(compose(PlainContext(FakeStages()), inputs, vision))
        report = json.loads(outputs["report"][0])
        return [one["box"] for one in report["products"]], report.get("placed_by")

    return run


def test_a_product_stands_in_a_proposed_box(model, stood):
    """On the box's lower edge, as large as it allows."""
    model.reply(200, '{"boxes": [[0.5, 0.5, 0.8, 0.8]]}')
    boxes, told = stood()
    assert boxes == [[330, 200, 450, 320]]
    assert told == {"way": "model", "boxes": [[0.5, 0.5, 0.8, 0.8]], "fallback": None}
    assert "1 product (width by height: 1.00)" in model.asked[0][2]["messages"][1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("boxes", "count", "said"),
    [
        ("[[0.5, 0.1, 0.7, 0.4]]", 1, "a proposed box ends at 0.40, above the ground"),
        ("[[0.5, 0.7, 0.52, 0.72]]", 1, "leaves the product less than 0.05 of the scene's height"),
        ("[[0.0, 0.5, 0.3, 0.8]]", 1, "leaves less than the margin of 0.05"),
        ("[[0.5, 0.5, 0.8, 0.8]]", 2, "1 boxes were proposed for 2 products"),
        ("[[0.4, 0.5, 0.7, 0.8], [0.4, 0.5, 0.7, 0.8]]", 2, "must overlap by at most 0.25"),
    ],
    ids=["in the air", "tiny", "at the edge", "too few", "each on the other"],
)
def test_a_bad_place_leaves_it_to_the_search(model, stood, boxes, count, said):
    """The places are those without a model, and the report says why."""
    model.reply(200, f'{{"boxes": {boxes}}}')
    found, told = stood(count)
    assert told["way"] == "search"
    assert said in told["fallback"]
    assert found == stood(count, placed_by="search")[0]
    assert len(model.asked) == 1


def test_settings_of_a_vision_model():
    """It needs the endpoint's address; its name is not that of the language model."""
    assert vision_of(Settings()) is None
    with pytest.raises(BadSettings, match="VITRINE_LLM_URL must be given with VITRINE_VISION_MODEL"):
        vision_of(Settings(vision_model="eyes"))
    found = vision_of(Settings(llm_url="http://localhost:1/v1", llm_model="words", vision_model="eyes"))
    assert (found.model, found.timeout_s, found.retries) == ("eyes", 20.0, 1)
