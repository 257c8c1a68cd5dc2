"""The tables of docs/calling.md have every input and output, and the limits of the code."""

import re

import pytest
from tritonclient.utils import InferenceServerException
from vitrine.wire import read_error
from vitrine_orchestrator.images.fitting import FITS
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.pictures import SAVING, Limits
from vitrine_orchestrator.pipeline import try_on_request as request
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.wire import fields

LIMITS = Limits()
SAID = {  # what a row must say, from the code
    "person": [f"{LIMITS.max_bytes:,} bytes", f"{LIMITS.max_pixels:,} pixels", f"at least {LIMITS.min_side}"],
    "garment": [f"{request.MAX_GARMENTS} garments"],
    "person_id": [f"{fields.MAX_NAME} characters"],
    "garment_id": [f"{fields.MAX_NAME} characters"],
    "category": [f"`{word}`" for word in CATEGORIES],
    "description": [f"{fields.MAX_TEXT} characters", *request.DESCRIPTIONS.values()],
    "steps": [f"1 to {fields.MAX_STEPS}"],
    "guidance": [f"0 to {fields.MAX_GUIDANCE:g}"],
    "scheduler": [f"`{word}`" for word in request.SCHEDULERS],
    "crop": [f"`{word}`" for word in FITS],
    "format": [f"`{word}`" for word in SAVING],
}


@pytest.fixture
def rows(root):
    """The rows of the page's tables by the name in their first cell."""
    page = (root / "docs" / "calling.md").read_text()
    return {found[1]: found[0] for found in re.finditer(r"^\| `(\w+)` \|.*$", page, re.MULTILINE)}


@pytest.mark.parametrize("tensor", stage("try_on_stream").inputs + stage("try_on_stream").outputs, ids=str)
def test_a_tensor_has_a_row_with_its_type(rows, tensor):
    """Each input and output has a row; those of try_on_stream are try_on's and two more."""
    dtype = "BYTES" if tensor.dtype == "STRING" else tensor.dtype
    assert f"| {dtype} (" in rows[tensor.name]


@pytest.mark.parametrize("name", SAID)
def test_a_row_says_the_limits_of_the_code(rows, name):
    """Each row gives the limits of the code."""
    assert [words for words in SAID[name] if words not in rows[name]] == []


def test_the_statuses_of_the_errors_are_those_that_the_client_reads(make_reference):
    """The client maps each HTTP and gRPC status of the reference to a class of the same code."""
    for code, (http, grpc) in make_reference.STATUSES.items():
        for status in (http, f"StatusCode.{grpc}"):
            assert read_error(InferenceServerException("no", status), timeout_s=1.0).code == code


def test_the_queues_of_the_operations_page_are_those_of_the_code(root):
    """The operations page has the code's limits on requests in flight, requests waiting and waiting time."""
    page = (root / "docs" / "operations.md").read_text()
    for name in ("try_on", "try_on_stream"):
        row = stage(name)
        assert f"{row.in_flight} in flight, {row.queue.size} in Triton's queue" in page
        assert f"{row.queue.timeout_us // 1_000_000} s, or the request's own" in page
