"""Doubtful cut-outs: a second look in raised contrast, and what the report says."""

import asyncio
import json

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.doubts import SOFT, doubts_of, softness
from vitrine_orchestrator.cut_out.looks import raised_contrast
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.cut_out import NETWORK

SIDE = 64


def disc(radius=20, middle=(32, 32), soft=1.0):
    """An alpha (SIDE, SIDE) of a disc; `soft` is the width of its edge in pixels."""
    down, across = np.mgrid[:SIDE, :SIDE]
    far = np.hypot(down - middle[0], across - middle[1])
    return np.clip((radius - far) / soft + 0.5, 0, 1).astype(np.float32)


def words(found, raised=False):
    """The words of the doubts about an alpha."""
    return [one.word for one in doubts_of(found, raised)]


def test_a_sure_cut_out_has_no_doubts():
    """A whole product with a narrow edge."""
    assert softness(disc()) < SOFT
    assert words(disc()) == []


@pytest.mark.parametrize(
    ("found", "raised", "word"),
    [
        (disc(soft=16), False, "soft"),
        (0.6 * disc(), False, "soft"),
        (disc(), True, "faint"),
        (disc(middle=(60, 32)), False, "cut"),
        (np.maximum(disc(12, (14, 14)), disc(12, (48, 48))), False, "several"),
    ],
    ids=["blurred", "half seen", "contrast", "frame", "two"],
)
def test_each_doubt_is_told(found, raised, word):
    """By its word, in one sentence with advice."""
    assert word in words(found, raised)
    (message,) = (one.message for one in doubts_of(found, raised) if one.word == word)
    assert any(verb in message for verb in ("photograph", "send"))


def test_a_hole_and_a_speck_are_no_second_thing():
    """A ring is one thing; what is under a tenth of the largest does not count."""
    ring = disc(26) - disc(14)
    assert words(ring) == []
    assert words(np.maximum(disc(), disc(3, (5, 5)))) == []


def test_the_edge_that_cuts_is_named():
    """All sides that do."""
    (doubt,) = (one for one in doubts_of(disc(24, (60, 60)), False) if one.word == "cut")
    assert "(right, bottom)" in doubt.message


def test_raised_contrast_spreads_the_levels():
    """Few levels become all; a picture that uses all has no second look; one level stays one."""
    picture = np.random.default_rng(0).integers(240, 251, (SIDE, SIDE, 3), np.uint8)
    raised = raised_contrast(picture, picture)
    assert np.ptp(raised) > 5 * np.ptp(picture)
    wide = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    assert raised_contrast(wide, wide) is None
    flat = np.full((SIDE, SIDE, 3), 77, np.uint8)
    assert np.ptp(raised_contrast(flat, flat)) == 0


@pytest.fixture
def report(manifest):
    """Cuts a pale disc on pale ground out by a network; the report, and how often the network was called."""

    def run(network):
        stages = FakeStages(**{NETWORK: network})
        levels = np.rint(240 + 8 * disc(24)).astype(np.uint8)
        inputs = {"image_raw": np.dstack([levels] * 3)}
        run.stages = stages
        return json.loads(asyncio.run(cut_out(CutOutContext(stages, manifest), inputs))["report"][0])

    return run


def by_contrast(plain, raised):
    """A network that answers with one alpha to pale pictures, and with another to those of high contrast."""

    def network(inputs):
        found = raised if np.ptp(inputs["image"]) > 1 else plain
        return {"answer": found[None, None]}

    return network


def test_a_pale_product_is_found_in_raised_contrast(report):
    """Nothing, or a ragged part, of it is seen at first; the report says how it was found."""
    for plain in (np.zeros((SIDE, SIDE), np.float32), disc(20, soft=30)):
        told = report(by_contrast(plain, disc(24)))
        assert len(report.stages.calls) == 2
        assert [one["word"] for one in told["doubts"]] == ["faint"]
        assert told["softness"] < SOFT


def test_a_sure_first_look_is_the_only_one(report):
    """Its cut-out costs one call, as before."""
    told = report(by_contrast(disc(24), disc(10)))
    assert len(report.stages.calls) == 1
    assert told["doubts"] == []


def test_the_surer_look_counts(report):
    """A second one that is no better changes nothing."""
    told = report(by_contrast(disc(24, soft=24), disc(24, soft=40)))
    assert [one["word"] for one in told["doubts"]] == ["soft"]


def test_what_raised_contrast_alone_half_shows_is_no_product(report):
    """An empty wall has shapes too; the first look's refusal stands."""
    with pytest.raises(BadRequest, match="no product found"):
        report(by_contrast(np.zeros((SIDE, SIDE), np.float32), disc(24, soft=40)))
