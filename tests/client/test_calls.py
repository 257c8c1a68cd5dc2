"""Each row of the table of client calls is tested against the stage table and the fake."""

import numpy as np
import pytest
from vitrine import calls
from vitrine.calls import ModelCall
from vitrine.fake import FakeTransport
from vitrine_orchestrator.stages import STAGES

ROWS = {name: row for name, row in vars(calls).items() if isinstance(row, ModelCall)}
WIRE_KINDS = {"O": "STRING", "b": "BOOL", "i": "INT", "u": "UINT", "f": "FP"}
OPTIONS = {
    "TRY_ON": {"person": b"a picture", "garment": b"a picture", "steps": 2},
    "TRY_ON_STREAM": {"person": b"a picture", "garment": b"a picture", "previews": True},
    "TEXT_TO_IMAGE": {"prompt": "a cup", "lora": {"night": 0.5}, "guidance": 2, "width": 64, "height": 64},
    "IMAGE_TO_IMAGE": {"prompt": "a cup", "image": b"a picture", "strength": 0.5, "aspect_ratio": "1:1"},
    "PICTURE_STREAM": {"prompt": "a cup", "n": 2, "previews": True},
    "SCORE": {"picture": b"a picture", "prompt": ["a cup", "a plate"]},
    "CUT_OUT": {"image": b"a picture", "box": (0, 0, 8, 8), "format": "webp"},
    "PREPARE_AD_PROMPT": {"sentence": "빨간 머그잔", "trade": "cafe", "style": "anime", "theme": "sale"},
    "RUN_WORKFLOW": {"graph": {}, "pictures": {"mug": b"a picture"}},
    "WORKFLOW_STREAM": {"graph": "{}"},
    "COMPOSE": {"scene": b"a picture", "product": [b"a picture"], "settings": {"match": 0.2}},
    "AD_DIGEST": {"loras": ["night"]},
    "PRODUCT_AD": {"product": b"a picture", "each": True, "sentence": "a cup", "texts": "New"},
    "PRODUCT_AD_STREAM": {"product": b"a picture", "scene": b"a picture", "harmonise": 0.2, "seed": 7},
    "TEXT_OVERLAY": {"image": b"a picture", "texts": "a", "keep_clear": np.zeros((8, 8), np.uint8)},
    "DESCRIBE": {"image": b"a picture", "keep_clear": np.zeros((8, 8), np.uint8)},
    "PICTURE_DIGEST": {"loras": ["night"]},
    "PREPARE_PERSON": {"person_id": "ada"},
    "PREPARE_GARMENT": {"garment_id": "coat"},
    "PREPARE_TEXT": {"description": "a coat"},
    "PIPELINE_DIGEST": {},
    "CACHE_STATISTICS": {},
    "CLEAR_CACHE": {"person_id": "ada"},
}


@pytest.mark.parametrize("name", ROWS)
def test_a_call_writes_the_inputs_of_its_model(name):
    """Every tensor that a row writes is an input of the stage that it calls, with that stage's dtype."""
    row = ROWS[name]
    stage = next(stage for stage in STAGES if stage.name == row.model)
    dtypes = {tensor.name: tensor.dtype for tensor in stage.inputs}
    for tensor, array in row.write(**OPTIONS[name]).items():
        assert dtypes[tensor].startswith(WIRE_KINDS[array.dtype.kind])


def test_the_fake_server_answers_every_model_that_is_called():
    """The fake answers every call of the client, so that users can test each of them."""
    loaded = {model.name for model in FakeTransport().models(timeout_s=1)}
    assert {row.model for row in ROWS.values()} <= loaded
