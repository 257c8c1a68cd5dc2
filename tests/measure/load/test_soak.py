"""Two minutes of clients that cancel, stall and err, on a real Triton (`make soak` takes 30 minutes)."""

import os
from pathlib import Path

import pytest
from vitrine_export import command

REPOSITORY = Path(__file__).parents[3] / "model_repository"
SECONDS = float(os.environ.get("LOAD_TEST_SECONDS", "120"))


@pytest.mark.timeout(SECONDS + 400)
def test_nothing_leaks(capsys):
    """No request, thread, file, shared-memory block or memory remains.

    Every waiting client got its answer.
    """
    options = ["--repository", str(REPOSITORY), "--seconds", str(SECONDS), "--steps", "8", "--warm-up", "30"]
    code = command.main(["soak", *options])
    told = capsys.readouterr()
    print(told.out, told.err)
    assert code == 0
