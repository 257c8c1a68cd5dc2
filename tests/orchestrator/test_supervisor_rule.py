"""The rule that tells the deaths of processes from wanted ends."""

from pathlib import Path

import pytest
from vitrine_orchestrator.embedded import processes
from vitrine_orchestrator.embedded.processes import NAME_BYTES, Slot, Stub, look
from vitrine_orchestrator.embedded.supervisor import Supervisor, lost_models
from vitrine_orchestrator.embedded.wheel import STUB

FIRST = Slot("try_on", "1", "try_on_0_0")
SECOND = Slot("try_on", "2", "try_on_0_0")
READY = {("try_on", "1"), ("pose", "1")}
POSE = Stub(Slot("pose", "1", "pose_0_0"), False, 1)

CASES = {
    "it died": ([Stub(FIRST, True, 5)], {"try_on"}),
    "a later process replaces it": ([Stub(FIRST, True, 5), Stub(FIRST, False, 6)], set()),
    "an earlier one still ends its work": ([Stub(FIRST, True, 5), Stub(FIRST, False, 4)], {"try_on"}),
    "another version lives": ([Stub(FIRST, True, 5), Stub(SECOND, False, 6)], {"try_on"}),
    "its version is being unloaded": ([Stub(SECOND, True, 5), Stub(FIRST, False, 4)], set()),
    "it was never seen alive": ([Stub(None, True, 5)], {"try_on"}),
    "never seen alive, and replaced": ([Stub(None, True, 5), Stub(FIRST, False, 6)], set()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_process_that_is_not_replaced_is_a_death(case):
    """A death is an ended process of a ready version without a later process of the same instance."""
    processes, lost = CASES[case]
    assert lost_models([*processes, POSE], READY) == lost


def test_a_model_without_processes_has_lost_none():
    """Models of other backends have no process, since they run in the server."""
    assert lost_models([Stub(None, True, 5), POSE], {("pose", "1"), ("ensemble", "1")}) == set()


def test_a_process_that_is_being_ended_keeps_its_slot(tmp_path, monkeypatch):
    """The kernel clears the arguments first; a look at that moment must not lose what the process served."""
    folder, seen = tmp_path / "71", []
    folder.mkdir()

    def state(letter, arguments):
        (folder / "stat").write_text(f"71 ({STUB[:NAME_BYTES]}) {letter} 1" + " 0" * 17 + " 5 0")
        (folder / "cmdline").write_bytes(arguments)

    class Server:
        alive, pid, models = True, 1, ("try_on", "pose")

        def ready(self):
            return READY

        def reload(self, name, within_s):
            seen.append(name)
            return True

    monkeypatch.setattr(processes, "Path", lambda path: tmp_path if path == "/proc" else Path(path))
    state("S", b"\0".join([STUB.encode(), b"/models/try_on/1/model.py", *[b""] * 6, b"try_on_0_0"]))
    assert look(1) == {71: Stub(FIRST, False, 5)}
    supervisor = Supervisor(Server(), lambda text: None)
    state("R", b"")
    assert look(1) == {71: Stub(None, False, 5)}
    supervisor.check()
    assert seen == []
    state("Z", b"")
    supervisor.check()
    assert seen == ["try_on"]  # and not the other model, which has no process here
