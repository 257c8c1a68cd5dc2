"""Callers who speak JSON only send and get pictures as base64 text."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from small_servers import posted


def text(name, value):
    """A BYTES input of one text."""
    return {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}


def opened(coded):
    """The picture as base64 text."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))


STEPS = {"name": "steps", "shape": [1], "datatype": "INT32", "data": [2]}
FORMS = {
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "data URL": lambda raw: "data:image/png;base64," + base64.b64encode(raw).decode(),
    "in lines": lambda raw: base64.encodebytes(raw).decode(),
    "for URLs": lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS)
def test_pictures_go_in_and_out_as_text(triton, person, garment, form):
    """Every output is valid JSON, the picture of the person's size."""
    write = FORMS[form]
    inputs = [text("person", write(person)), text("garment", write(garment)), STEPS]
    status, answer = posted(triton, "try_on/infer", {"inputs": inputs})
    assert status == 200, answer
    outputs = {one["name"]: one["data"][0] for one in answer["outputs"]}
    assert opened(outputs["image"]).shape == (256, 192, 3)
    assert opened(outputs["mask"]).shape == (256, 192)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("https://shop.example/coat.png", "a URL"),
        ("not base64!", "base64 text or a data URL"),
        ("aGVsbG8=", "5 bytes"),
    ],
)
def test_what_is_no_text_of_a_picture_is_refused(triton, garment, sent, said):
    """The error is JSON and describes what was sent."""
    body = {"inputs": [text("person", sent), text("garment", FORMS["base64"](garment))]}
    status, answer = posted(triton, "try_on/infer", body)
    assert status == 400
    assert said in answer["error"]


def test_generate_answers_in_text_when_asked(triton, person, garment):
    """Triton's `generate` takes one JSON object and returns one."""
    body = {"person": FORMS["base64"](person), "garment": FORMS["base64"](garment), "steps": 2}
    status, answer = posted(triton, "try_on/generate", body | {"encoding": "base64"})
    assert status == 200, answer
    assert opened(answer["image"]).shape == (256, 192, 3)


def test_prepare_models_take_text(triton, person, garment):
    """A person and a garment can be prepared as text."""
    for what, raw in (("person", person), ("garment", garment)):
        inputs = [text(what, FORMS["base64"](raw)), text(f"{what}_id", f"json {what}")]
        body = {"inputs": inputs, "outputs": [{"name": f"{what}_key"}]}
        assert posted(triton, f"prepare_{what}/infer", body)[0] == 200
