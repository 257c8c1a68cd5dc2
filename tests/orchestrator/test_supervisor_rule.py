"""The rule that tells the deaths of processes from wanted ends."""

import pytest
from vitrine_orchestrator.embedded.processes import Slot, Stub
from vitrine_orchestrator.embedded.supervisor import lost_models

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
