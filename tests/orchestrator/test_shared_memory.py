"""The shared memory that a server needs, and what it does with less."""

import subprocess
import sys

import numpy as np
import pytest
from vitrine.errors import Busy, Unavailable
from vitrine_orchestrator.adapters.sending import has_room, send_last, size
from vitrine_orchestrator.shared_memory import MAX_ACTIVE, MIB, at_once, need, shortage
from vitrine_orchestrator.stages import STAGES
from vitrine_orchestrator.try_on.facts import FAMILY

MODELS = [
    row.name for row in STAGES if FAMILY in (row.families or row.beside) or not (row.families or row.beside)
]
SMALL = need(MODELS, 256, 192)


def test_the_small_checkpoint_serves_in_64_mib():
    """Measured: 33 MiB when loaded, 57 MiB after a small try-on, 61 MiB after a phone's photograph."""
    assert 32 * MIB < SMALL.start < 57 * MIB < SMALL.least < 64 * MIB
    assert SMALL.of(1) > 61 * MIB


def test_larger_pictures_need_more():
    """The released checkpoint's need for all accepted try-ons fits into the containers' 4 GiB."""
    large = need(MODELS, 1024, 768)
    assert large.start == SMALL.start
    assert 2 * 2**30 < large.of(MAX_ACTIVE) < 4 * 2**30


@pytest.mark.parametrize(("mib", "most"), [(64, 1), (150, 2), (400, 7), (4000, 0)])
def test_requests_at_once_follow_from_what_there_is(tmp_path, caplog, mib, most):
    """With less memory there is a limit and a warning; 0 is no limit."""
    assert at_once(tmp_path, MODELS, mib * MIB) == most
    assert bool(most) == ("shared memory" in caplog.text)


def test_too_little_for_one_try_on_is_refused_with_what_to_do(tmp_path):
    """One sentence has both figures."""
    with pytest.raises(
        Unavailable, match=r"/dev/shm has 48 MiB free, one try-on at a time needs \d+ MiB: give it"
    ):
        at_once(tmp_path, MODELS, 48 * MIB)
    assert shortage(SMALL, SMALL.of(MAX_ACTIVE)) is None


def test_other_models_are_not_judged(tmp_path):
    """Models outside the table are not checked, since their need is unknown."""
    assert at_once(tmp_path, ["nothing"], MIB) == 0


def test_the_container_asks_for_its_limit(tmp_path):
    """The command prints a number for VITRINE_AT_ONCE on standard output."""
    command = [sys.executable, "-m", "vitrine_orchestrator.shared_memory", str(tmp_path), *MODELS]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


class Memory:
    """A process's part of shared memory."""

    def __init__(self, free):
        self.free = free

    def free_memory(self):
        return self.free


class Backend:
    """The parts of triton_python_backend_utils that are used."""

    TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1

    class TritonError:
        UNAVAILABLE = 4

        def __init__(self, message, code):
            self.message = message

    def __init__(self, free):
        self.shared_memory = Memory(free)
        self.sent = []

    def Tensor(self, name, array):
        return name

    def InferenceResponse(self, tensors=(), error=None):
        return error.message if error else list(tensors)

    def send(self, response, flags):
        self.sent.append((response, flags))


@pytest.fixture
def full(monkeypatch):
    """A stand-in for a full /dev/shm."""
    monkeypatch.setattr("vitrine_orchestrator.adapters.sending.free_bytes", lambda: 0)


def test_an_answer_without_room_becomes_an_error_that_names_shared_memory(full):
    """Room is checked first, since Triton takes no second response after a failed one."""
    backend = Backend(free=MIB)
    failure = send_last(backend, backend, {"image": np.zeros(5 * MIB, np.uint8)})
    assert isinstance(failure, Busy)
    ((text, flags),) = backend.sent
    assert text.startswith("busy: the server's shared memory (/dev/shm) is full")
    assert flags == 1


def test_an_answer_that_fits_is_sent(full):
    """The answer is sent where the process's own part has room."""
    backend = Backend(free=MIB)
    assert send_last(backend, backend, {"image": np.zeros(1000, np.uint8)}) is None
    assert backend.sent == [(["image"], 1)]


def test_room_is_counted_in_bytes():
    """A BYTES value counts with the four bytes of its length."""
    assert size({"a": np.array([b"abc", b""], object), "b": np.zeros((2, 3), np.float32)}) == 11 + 24
    assert has_room(object(), 10 * MIB)  # a backend that does not tell
