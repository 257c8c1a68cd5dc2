"""Processes that are killed at random use the cache at random, with the law checked on every read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

STEPS_A_SECOND = 400  # of one core: the amount of work is fixed, however slow the machine


def soak(folder: Path, seconds: float, *mutant: str) -> dict[str, int]:
    """The counts that soak.py printed."""
    script = Path(__file__).with_name("soak.py")
    done = subprocess.run(
        [sys.executable, script, folder, str(int(STEPS_A_SECOND * seconds)), "7", *mutant],
        capture_output=True,
        text=True,
        check=False,
        timeout=20 * seconds + 200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_nothing_wrong_stale_or_damaged_is_read_however_processes_die(tmp_path, seconds):
    """SIGKILL at random moments of put, read, evict and invalidate: the law holds on every read."""
    told = soak(tmp_path / "cache", seconds)
    assert told["kills"] > 0
    assert told["reads"] > 0
    assert {name: told[name] for name in ("damaged", "wrong", "stale", "failed", "overshoot")} == {
        "damaged": 0,
        "wrong": 0,
        "stale": 0,
        "failed": 0,
        "overshoot": 0,
    }
    assert (told["left"], told["sum_error"]) == (0, 0)


SHOWS = [("no_rename", "damaged"), ("no_generation_on_disk", "stale"), ("no_sum", "overshoot")]


@pytest.mark.parametrize(("mutant", "shows"), SHOWS)
def test_the_random_run_sees_what_goes_wrong(tmp_path, mutant, shows):
    """Positive control: without a safeguard the same run counts damage."""
    for turn in range(10):
        if soak(tmp_path / str(turn) / "cache", 2, mutant)[shows] > 0:
            return
    pytest.fail(f"{mutant} was not noticed in 10 runs")
