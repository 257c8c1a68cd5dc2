"""The file that Triton loads answers each request once, from any thread."""

import importlib.util
import json
import sys
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from vitrine_orchestrator.manifest import manifest_text
from vitrine_orchestrator.try_on.engine.fake import FakeEngine

MODEL = Path(__file__).parents[3] / "model_repository" / "denoise" / "1" / "model.py"
WAIT_S = 60


class Request:
    """A request of Triton's Python backend, as far as the adapter uses it."""

    def __init__(self, arrays):
        self.arrays, self.answer = arrays, Future()

    def inputs(self):
        return [SimpleNamespace(name=lambda n=n: n, as_numpy=lambda a=a: a) for n, a in self.arrays.items()]

    def trace(self):
        return None

    def parameters(self):
        return ""

    def get_response_sender(self):
        return SimpleNamespace(
            send=lambda response, flags: self.answer.set_result(response), is_cancelled=lambda: False
        )


class Metric:
    """A metric that records nothing."""

    def increment(self, change):
        pass

    set = increment


def fake_pb_utils():
    module = ModuleType("triton_python_backend_utils")
    module.Tensor = lambda name, array: (name, array)
    module.InferenceResponse = lambda tensors=(), error=None: SimpleNamespace(
        tensors=dict(tensors), error=error
    )
    module.TritonError = lambda text, code: (text, code)
    module.TritonError.INVALID_ARG = "INVALID_ARG"
    module.TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
    module.MetricFamily = lambda name, description, kind: SimpleNamespace(Metric=lambda labels: Metric())
    module.MetricFamily.COUNTER, module.MetricFamily.GAUGE = 0, 1
    return module


@pytest.fixture
def model(monkeypatch, tmp_path, jobs):
    """The adapter over a fake engine, initialised as by Triton."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake_pb_utils())
    monkeypatch.setattr("vitrine_orchestrator.try_on.open_program.load_engine", lambda *_, **__: FakeEngine())
    write_manifest(tmp_path / "1" / "manifest.json", jobs.config)
    spec = importlib.util.spec_from_file_location("denoise_model", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    parameters = {"in_flight": {"string_value": "2"}, "provider": {"string_value": "cpu"}}
    config = {"name": "denoise", "parameters": parameters}
    given = {"model_config": json.dumps(config), "model_repository": str(tmp_path), "model_version": "1"}
    model.initialize(given | {"model_instance_device_id": "0"})
    yield model
    model.finalize()


def write_manifest(path, scheduler):
    path.parent.mkdir()
    facts = {
        "width": 32,
        "height": 64,
        "channels": 4,
        "factor": 8,
        "context_width": 6,
        "pooled_width": 5,
        "image_tokens": 16,
        "image_size": 224,
        "default_steps": 30,
        "default_guidance": 2.0,
        "person_prompt": "{}",
        "garment_prompt": "{}",
        "negative_prompt": "",
        "pad_ids": [1, 0],
        "scheduler": scheduler,
    }
    entry = {"facts": facts, "digest": "0", "exporter": "0", "files": {}}
    path.write_text(manifest_text({"idm_vton": entry}))


def test_requests_are_answered_after_execute_has_returned(model, jobs):
    """Each request gets its own latents and report through its sender."""
    requests = [Request(jobs.arrays(seed=i, garment=i)) for i in range(2)]
    assert model.execute(requests) == [None, None]
    for i, request in enumerate(requests):
        response = request.answer.result(WAIT_S)
        np.testing.assert_array_equal(
            response.tensors["latents"], jobs.expected(jobs.request(seed=i, garment=i))
        )
        assert json.loads(response.tensors["report"][0])["seed"] == i


def test_an_error_goes_out_with_its_code(model, jobs):
    """The error has our message and Triton's code."""
    request = Request(jobs.arrays() | {"steps": np.array([0], np.int32)})
    model.execute([request])
    text, code = request.answer.result(WAIT_S).error
    assert code == "INVALID_ARG"
    assert text == "bad request: steps must be 1 to 100, got 0"


def test_the_adapter_stays_thin():
    """The file has under 60 lines, since its work is done in the packages."""
    assert len(MODEL.read_text().splitlines()) < 60
