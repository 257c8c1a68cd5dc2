"""Compositions and ads by a real Triton: the same as in one process, typed refusals, progress."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image
from small_servers import png
from tiny_cut_out import red_disc
from vitrine import BadRequest, Progress, Unavailable
from vitrine.ads import compose_inputs
from vitrine_orchestrator.compose.pipeline import compose
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.stages.calls import FakeStages

SCENE = np.full((120, 160, 3), 210, np.uint8)
SCENE[72:] = (120, 80, 60)
SETTINGS = {"light": "left", "placements": [{"x": 0.4, "scale": 0.5}]}


def cut():
    """A product with a transparent rim."""
    levels = np.zeros((60, 40, 4), np.uint8)
    levels[5:-5, 5:-5] = (200, 30, 40, 255)
    return png(levels)


def test_a_served_composition_is_the_one_made_in_this_process(vitrine):
    """The model needs no checkpoint: it is there without any export."""
    asked = {"scene": SCENE, "product": cut(), "settings": SETTINGS}
    served = vitrine.compose(**asked)
    local = asyncio.run(compose(PlainContext(FakeStages()), compose_inputs(**asked)))
    assert served.encoded == local["image"][0]
    assert np.array_equal(np.asarray(served.alpha), np.asarray(Image.open(io.BytesIO(local["alpha"][0]))))
    assert served.report["light"]["side"] == "left"
    assert served.shadow.getbbox()
    with pytest.raises(BadRequest, match="margin must be 0 to"):
        vitrine.compose(scene=SCENE, product=cut(), settings={"margin": 3})


def test_a_photograph_becomes_an_ad_by_calls_of_other_models(vitrine):
    """The cut-out and the composition run as models; a stream tells them and ends with the same picture."""
    asked = {"product": red_disc(96, 64, 20), "scene": SCENE, "settings": SETTINGS}
    made = vitrine.product_ad(**asked)
    assert [one["stage"] for one in made.report["nodes"]] == ["cut_out", "compose"]
    inside = np.asarray(made.ads[0].alpha) == 255
    assert (np.asarray(made.image)[inside][:, 0] > 180).all()
    *steps, last = vitrine.product_ad_stream(**asked)
    assert {"cut_out", "compose"} == {one.stage for one in steps if isinstance(one, Progress)}
    assert steps[-1].step == steps[-1].steps
    assert last.encoded == made.encoded
    assert len(made.report["releases"]["cut_out"]["cut-out"]) == 64


def test_what_an_ad_needs_and_a_server_lacks_is_named(vitrine):
    """Without a drawing checkpoint a scene must be given."""
    with pytest.raises(Unavailable, match="stage text_to_image is not loaded"):
        vitrine.product_ad(product=cut(), prompt="a table", timeout_s=5)
