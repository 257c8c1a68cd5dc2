"""The header Retry-After of refusals."""

import pytest
from vitrine.errors import BadRequest, Busy, Unavailable
from vitrine_gateway.errors import RateLimited
from vitrine_gateway.problems import retry_after


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (Busy("no memory for model pose within 30 s; try again in 7 s"), {"Retry-After": "7"}),
        (Busy("64 jobs are in flight, the limit is 64"), {"Retry-After": "5"}),
        (RateLimited("too many calls", 3), {"Retry-After": "3"}),
        (Unavailable("not running"), {"Retry-After": "10"}),
        (BadRequest("steps must be 1 to 100, got 500"), {}),
    ],
)
def test_the_seconds_are_those_that_the_error_says_or_the_usual_ones(error, header):
    """A server whose memory is full knows how long its next load takes."""
    assert retry_after(error) == header
