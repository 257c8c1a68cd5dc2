"""The server's answers become frozen results, or an error that says what is wrong with the answer."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
from vitrine.answers import Progress, TryOn, read_event, read_prepared, read_result
from vitrine.errors import VitrineError
from vitrine.fake import FakeTransport
from vitrine.inputs import try_on_inputs

PERSON = np.full((64, 48, 3), 200, np.uint8)
GARMENT = np.full((20, 20, 3), 30, np.uint8)


def answered(**options):
    inputs = try_on_inputs(person=PERSON, garment=GARMENT, **options)
    return FakeTransport().infer("try_on", inputs, timeout_s=1)


def text(value):
    return np.array([value], dtype=object)


def test_a_result_says_what_happened():
    """Picture, mask, seed, timings and sources come back in one frozen object."""
    result = read_result(answered(seed=7, steps=4))
    assert (result.image.size, result.mask.mode, result.seed) == ((48, 64), "L", 7)
    assert result.report["steps"] == 4
    assert result.sources["person"] == "fresh"
    assert result.encoded.startswith(b"\x89PNG")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.seed = 8
    with pytest.raises(TypeError):
        result.timings["denoise"] = 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": None}, "lacks 'image'"),
        ({"seed": np.array([], np.uint64)}, "lacks 'seed'"),
        ({"image": text(b"not a picture")}, r"image: the server's answer is not a picture \(13 bytes\)"),
        ({"report": text(b"{")}, "report: the server's answer is not JSON"),
        ({"report": text(b"[]")}, "not a JSON object"),
        ({"report": text(b"[" * 100_000)}, "report: the server's answer is not JSON"),
        ({"report": text(b'{"timings": 5}')}, "must have an object as timings, got 5"),
    ],
)
def test_a_broken_answer_is_an_error_of_ours(change, says):
    """The reader raises nothing but VitrineErrors."""
    outputs = {name: tensor for name, tensor in (answered() | change).items() if tensor is not None}
    with pytest.raises(VitrineError, match=says):
        read_result(outputs)


def test_a_report_may_lack_its_parts():
    """Timings that are null are none."""
    outputs = answered() | {"report": text(b'{"timings": null}')}
    assert (read_result(outputs).timings, read_result(outputs).sources) == ({}, {})


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))],
    ids=["copied", "pickled"],
)
def test_a_result_can_be_copied_and_pickled(copied):
    """So it goes to another process and into a cache; its mappings stay as fixed as they were."""
    result = read_result(answered(seed=7))
    other = copied(result)
    assert (other.seed, other.timings, other.report) == (7, result.timings, result.report)
    with pytest.raises(TypeError, match="cannot be changed"):
        other.timings["denoise"] = 0
    assert dataclasses.asdict(result)["report"] == json.loads(json.dumps(result.report))


def test_a_stream_is_read_event_by_event():
    """A stream gives progress first, with its preview if there is one, and the result last."""
    event = {"kind": "progress", "step": 3, "steps": 30, "elapsed_s": 1.5, "left_s": None}
    outputs = {"event": text(json.dumps(event).encode())}
    assert read_event(outputs) == Progress(3, 30, 1.5, None)
    assert read_event(outputs | {"image": answered()["image"]}).preview.size == (48, 64)
    assert isinstance(read_event(answered() | {"event": text(b'{"kind": "result"}')}), TryOn)
    with pytest.raises(VitrineError, match="event cannot be read"):
        read_event({"event": text(b'{"kind": "progress"}')})


def test_prepared_tensors_are_read_only():
    """Prepared tensors are views of received memory, so callers cannot write into them."""
    outputs = {"text_key": text(b"k"), "report": text(b"{}"), "pooled": np.zeros(3, np.float32)}
    prepared = read_prepared(outputs)
    assert prepared.key == "k"
    assert list(prepared.tensors) == ["pooled"]
    with pytest.raises(ValueError, match="read-only"):
        prepared.tensors["pooled"][0] = 1
    with pytest.raises(VitrineError, match="text_key: the server's answer is not UTF-8"):
        read_prepared(outputs | {"text_key": text(b"\xff")})
    with pytest.raises(VitrineError, match="must hold one key"):
        read_prepared({"report": text(b"{}")})
