"""Errors cross the wire and come back as they were."""

import pickle

import pytest
from vitrine.errors import (
    BadRequest,
    Busy,
    Cancelled,
    NotFound,
    StageFailed,
    TimedOut,
    Unavailable,
    VitrineError,
    from_wire,
    to_wire,
)

ERRORS = [
    VitrineError("the server met an error"),
    VitrineError("busy: a message that looks like another error"),
    VitrineError(""),
    BadRequest("steps must be 1 to 100, got 500"),
    NotFound("no person 'ada'"),
    Busy("64 jobs wait, which is the limit"),
    Cancelled("the caller left at step 3 of 30"),
    Unavailable("the model denoise is not loaded"),
    TimedOut("no answer in 60 s"),
    StageFailed("pose", "the network gave NaN: row 3"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("with_code", [True, False], ids=["code", "no-code"])
def test_an_error_survives_the_wire(error, with_code):
    """Class, message and stage arrive, with the status code and, as on a stream, without it."""
    code, text = to_wire(error)
    back = from_wire(code if with_code else None, text)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert getattr(back, "stage", None) == getattr(error, "stage", None)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error):
    """Errors can cross a process pool."""
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back)) == (type(error), str(error))


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("UNAVAILABLE", "Exceeds maximum queue size", Busy),
        ("UNAVAILABLE", "Request timeout expired", Busy),
        ("INTERNAL", "Stub process 'try_on_0_0' is not healthy.", Unavailable),
        ("NOT_FOUND", "Request for unknown model: 'nope' is not found", NotFound),
        ("UNAVAILABLE", "Request for unknown model: 'pose' has no available versions", Unavailable),
        ("INVALID_ARG", "expected 1 inputs but got 2 inputs for model 'pose'", BadRequest),
        ("UNSUPPORTED", "doesn't support models with decoupled transaction policy", BadRequest),
        ("CANCELLED", "", Cancelled),
        ("INTERNAL", "anything", VitrineError),
        (None, "anything", VitrineError),
        (None, "Request for unknown model: 'nope' is not found", NotFound),
        (None, "Request for unknown model: 'pose' has no available versions", Unavailable),
    ],
)
def test_tritons_own_errors_get_their_class(code, text, kind):
    """Triton's own errors are classified by their sentence, then by their code."""
    error = from_wire(code, text)
    assert type(error) is kind
    assert str(error) == text
