"""What the owner of a server's memory adds to the client: models' places, and times to come back."""

import json

import numpy as np
import pytest
from vitrine import Vitrine
from vitrine.command import main
from vitrine.errors import Busy, VitrineError, from_wire, to_wire
from vitrine.residence import with_memory
from vitrine.retry import Retry
from vitrine.statuses import ModelStatus

OWNED = [
    {"name": "pose", "state": "resident", "bytes": 80 * 2**20, "used_s_ago": 3.2, "reason": ""},
    {"name": "vae_decoder", "state": "unloaded", "bytes": 90 * 2**20, "used_s_ago": None, "reason": ""},
]


class OwnedTransport:
    """A server with a memory budget: an owner, two models, one of them unloaded."""

    def __init__(self, owned):
        self.owned = owned

    def models(self, *, timeout_s):
        """As Triton's index has them."""
        return (
            ModelStatus("pose", "1", "READY", ""),
            ModelStatus("residency", "1", "READY", ""),
            ModelStatus("text_encoder", "1", "LOADING", ""),
            ModelStatus("try_on", "1", "READY", ""),
            ModelStatus("vae_decoder", "1", "UNAVAILABLE", "unloaded"),
        )

    def infer(self, model, inputs, **options):
        """The owner's answer."""
        assert model == "residency"
        return {
            "state": np.array([json.dumps({"models": self.owned, "lost": ["text_encoder"]}).encode()], object)
        }

    def close(self):
        """Nothing is open."""


def shown(monkeypatch, capsys, owned):
    """The exit code and the lines of `vitrine models`."""
    client = Vitrine("localhost:1", transport=OwnedTransport(owned))
    monkeypatch.setattr("vitrine.commands.models.open_client", lambda args: client)
    code = main(["models"])
    return code, [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("outputs", [{}, {"state": b"x"}, {"state": b"[1]"}, {"state": b'{"models": [{}]}'}])
def test_the_answer_of_another_model_of_that_name_is_an_error_of_ours(outputs):
    """Somebody's own model may be called `residency`."""
    answer = {name: np.array([value], object) for name, value in outputs.items()}
    with pytest.raises(VitrineError, match=r"'residency' cannot be read|lacks 'state'"):
        with_memory((), answer)


def test_models_that_were_unloaded_for_others_are_no_failure(monkeypatch, capsys):
    """The table says where each is, what it takes and when it was used last."""
    code, lines = shown(monkeypatch, capsys, OWNED)
    assert code == 0
    assert lines[0].endswith("MiB used s ago")
    assert lines[1] == "pose 1 READY 0 0 - - - 80 3"
    assert lines[3] == "try_on 1 READY 0 0 - - - - -"
    assert lines[4] == "vae_decoder 1 UNLOADED 0 0 - - - 90 never"


@pytest.mark.parametrize("place", ["resident", "at rest", "going to rest"])
def test_a_model_that_is_not_ready_is_never_shown_as_loaded(monkeypatch, capsys, place):
    """Somebody has unloaded it, and the owner has not noticed yet."""
    code, lines = shown(monkeypatch, capsys, [OWNED[0], {**OWNED[1], "state": place}])
    assert code == 0
    assert lines[4] == "vae_decoder 1 UNLOADED 0 0 - - - 90 never"


@pytest.mark.parametrize(
    ("last_ms", "loaded", "told", "seconds"),
    [
        (95_000, 60.0, None, 5.0),  # called while all models fit: the owner has heard of nothing
        (95_000, 60.0, 40.0, 5.0),
        (95_000, 60.0, 3.0, 3.0),
        (100_500, 60.0, None, 0.0),  # between the two answers
        (39_000, 60.0, None, None),  # the warm-up
        (0, 60.0, None, None),
        (95_000, None, 9.0, 9.0),  # not loaded
    ],
)
def test_the_last_use_is_that_of_any_caller(last_ms, loaded, told, seconds):
    """Triton's statistics know calls that ask for no lease, and count the warm-up."""
    status = ModelStatus("pose", "1", "READY", "", last_inference_ms=last_ms)
    said = {
        "time_ms": 100_000,
        "lost": [],
        "models": [{**OWNED[0], "used_s_ago": told, "loaded_s_ago": loaded}],
    }
    (model,) = with_memory([status], {"state": np.array([json.dumps(said).encode()], object)})
    assert model.used_s_ago == seconds


def test_a_model_at_rest_is_shown_as_such_and_ready(monkeypatch, capsys):
    """It is loaded, and answers as soon as there is room for its work."""
    code, lines = shown(monkeypatch, capsys, [{**OWNED[0], "state": "at rest"}, OWNED[1]])
    assert code == 0
    assert lines[1] == "pose 1 AT REST 0 0 - - - 80 3"


def test_a_model_that_cannot_be_loaded_is_a_failure(monkeypatch, capsys):
    """The reason is that of the last load."""
    owned = [OWNED[0], {**OWNED[1], "reason": "no such file"}]
    code, lines = shown(monkeypatch, capsys, owned)
    assert code == 1
    assert "UNLOADED (no such file)" in lines[4]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("no memory for model pose within 30 s; try again in 7 s", 7), ("64 jobs are in flight", None)],
)
def test_busy_says_when_to_come_back(text, seconds):
    """Over the wire too; other refusals say nothing."""
    error = from_wire(*to_wire(Busy(text)))
    assert isinstance(error, Busy)
    assert error.retry_after_s == seconds


def test_a_retry_keeps_the_pause_that_the_server_asks_for():
    """Where the caller's time allows."""
    busy = Busy("no memory; try again in 7 s")
    assert Retry().pause_s(1, busy, 60.0, lambda low, high: high) == 7
    assert Retry().pause_s(1, busy, 5.0, lambda low, high: high) is None
