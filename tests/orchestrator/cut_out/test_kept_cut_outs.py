"""Kept cut-outs: a photograph is cut out once, whoever sends it, and every choice has its own answer."""

import asyncio
import io
import json
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache
from vitrine_orchestrator.cache.schemas import prepared_schemas
from vitrine_orchestrator.cut_out.cache_rows import ROWS
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.cut_out import FAMILY


def red_square(level=250):
    """An encoded picture with a red square."""
    picture = np.full((96, 128, 3), (20, 20, 200), np.uint8)
    picture[20:70, 30:100] = (level, 0, 0)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def asked(encoded, **more):
    """A request's inputs."""
    return {"image": np.array([encoded], object)} | more


@pytest.fixture
def answers(stages, manifest, tmp_path):
    """Answers requests one after the other with one cache, in memory and on disk."""

    def run(*requests, manifest=manifest):
        async def all_of_them():
            cache = open_cache(CacheSettings(folder=tmp_path / "cache"), prepared_schemas(ROWS))
            context = CutOutContext(stages, manifest, cache.memo)
            try:
                return [await cut_out(context, one) for one in requests]
            finally:
                await cache.close()

        return asyncio.run(all_of_them())

    return run


def source(outputs):
    """Where an answer came from."""
    return json.loads(outputs["report"][0])["sources"]["cut_out"]


def test_the_same_bytes_are_cut_out_once(answers, stages):
    """The second answer is the first, with the same report; another process finds it on disk."""
    first, again = answers(asked(red_square()), asked(red_square()))
    (later,) = answers(asked(red_square()))
    assert [source(one) for one in (first, again, later)] == ["fresh", "memory", "disk"]
    assert len(stages.calls) == 1
    for one in (again, later):
        assert (one["image"][0], one["alpha"][0]) == (first["image"][0], first["alpha"][0])
        told, before = (json.loads(answer["report"][0]) for answer in (one, first))
        assert (told["size"], told["area"]) == (before["size"], before["area"]) == ([128, 96], told["area"])


def test_base64_is_another_form_of_the_same_answer(answers, stages):
    """How the answer is written is no part of its key."""
    text = np.array([b"base64"], object)
    plain, as_text = answers(asked(red_square()), asked(b64encode(red_square()), encoding=text))
    assert len(stages.calls) == 1
    assert b64encode(plain["image"][0]) == as_text["image"][0]


@pytest.mark.parametrize(
    "more",
    [
        {"box": np.array([10, 10, 120, 90], np.int32)},
        {"product_side": np.array([40], np.int32)},
        {"format": np.array([b"webp"], object)},
    ],
    ids=["box", "size", "format"],
)
def test_every_choice_has_its_own_answer(answers, stages, more):
    """Nothing of another choice is returned."""
    plain, chosen = answers(asked(red_square()), asked(red_square(), **more))
    assert len(stages.calls) == 2
    assert plain["image"][0] != chosen["image"][0]


def test_another_picture_and_another_release_are_computed(answers, stages, manifest):
    """One level of one pixel's colour is another picture."""
    answers(asked(red_square()), asked(red_square(249)))
    assert len(stages.calls) == 2
    other = Manifest(FAMILY, manifest.facts, digest="1" * 64, exporter="test", files={})
    answers(asked(red_square()), manifest=other)
    assert len(stages.calls) == 3


def test_a_refusal_is_not_kept(answers, stages):
    """A picture without a product is asked of the network each time."""
    blue = np.full((64, 64, 3), (20, 20, 200), np.uint8)
    for count in (1, 2):
        with pytest.raises(BadRequest, match="no product found"):
            answers({"image_raw": blue})
        assert len(stages.calls) == 2 * count  # as it is, and in raised contrast
