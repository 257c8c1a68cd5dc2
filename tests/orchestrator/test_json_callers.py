"""Callers who speak JSON only are recognised by the headers that Triton forwards."""

import json
from pathlib import Path

import pytest
from vitrine_orchestrator.adapters.json_callers import FORWARDED, encoding_for

ROOT = Path(__file__).parents[2]


class Request:
    """A request of Triton's with given parameters."""

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
    """A gRPC request has no headers, and binary HTTP has the length of its JSON."""
    assert bool(encoding_for(Request(**headers))) == text


def test_the_container_forwards_the_same_headers():
    """The container's shell script repeats the pattern."""
    assert f"'{FORWARDED}'" in (ROOT / "docker/serve.sh").read_text()
