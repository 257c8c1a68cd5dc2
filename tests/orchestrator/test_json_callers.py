"""Who speaks JSON only is seen from the headers that Triton hands over."""

import json
from pathlib import Path

import pytest
from vitrine_orchestrator.adapters.json_callers import FORWARDED, encoding_for

ROOT = Path(__file__).parents[2]


class Request:
    """A request of Triton's with parameters."""

    def __init__(self, **headers):
        self.headers = headers

    def parameters(self):
        return json.dumps(self.headers) if self.headers else ""


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Host": "a"}, True),
        ({"host": "a"}, True),
        ({"Host": "a", "Inference-Header-Content-Length": "12"}, False),
        ({}, False),
    ],
)
def test_pure_json_over_http_is_answered_in_text(headers, text):
    """gRPC brings no headers, binary HTTP brings the length of its JSON."""
    assert bool(encoding_for(Request(**headers))) == text


def test_the_container_forwards_the_same_headers():
    """Its shell script repeats the pattern."""
    assert f"'{FORWARDED}'" in (ROOT / "docker/serve.sh").read_text()
