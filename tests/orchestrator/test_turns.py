"""Shared cores compute one call at a time, even if the process with the turn dies or hangs."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest
from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock, open_turn_lock

COMPUTES = """
import sys, time
from pathlib import Path
from vitrine_orchestrator.cores.turn_lock import TurnLock
turns = TurnLock(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    with turns.taken() as mine:
        began = time.monotonic_ns()
        print("in", flush=True)
        time.sleep(float(sys.argv[3]))
        print(int(mine), began, time.monotonic_ns(), flush=True)
    time.sleep(0.001)
"""


@contextmanager
def computing(path, times, seconds):
    """A process that takes turns of given length; it reports when it has one, and its spans."""
    command = [sys.executable, "-c", COMPUTES, str(path), str(times), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def spans_of(process):
    """For each call: whether it had the turn, when it began and when it ended."""
    lines = process.communicate()[0].splitlines()
    return [tuple(int(number) for number in line.split()) for line in lines if line != "in"]


def test_two_processes_never_compute_at_once(tmp_path):
    """Turns alternate, so neither process waits until the other has finished."""
    with computing(tmp_path / "turns", 40, 0.01) as one, computing(tmp_path / "turns", 40, 0.01) as other:
        told = [spans_of(one), spans_of(other)]
    assert [sum(mine for mine, _, _ in spans) for spans in told] == [40, 40]
    for (_, _, ended), (_, began, _) in pairwise(sorted(told[0] + told[1], key=lambda span: span[1])):
        assert ended <= began
    assert told[0][0][1] < told[1][-1][2]
    assert told[1][0][1] < told[0][-1][2]


def test_a_process_that_dies_releases_the_lock(tmp_path):
    """A process killed during a call releases the turn."""
    turns = TurnLock(tmp_path / "turns")
    with computing(tmp_path / "turns", 1, 1000) as other:
        other.stdout.readline()
    with turns.taken() as mine:
        assert mine  # a holder that is waited for in vain leaves False


def test_a_hanging_holder_is_waited_for_once(tmp_path):
    """After one wait all go on without turns until the hanging process releases it."""
    turns = TurnLock(tmp_path / "turns", max_wait_s=2)
    with computing(tmp_path / "turns", 1, 1000) as other:
        other.stdout.readline()
        began = time.monotonic()
        for _ in range(5):
            with turns.taken() as mine:
                assert not mine
        assert 2 <= time.monotonic() - began < 9  # five waits would be 10
    for _ in range(500):
        with turns.taken() as mine:
            if mine:
                break
        time.sleep(0.01)
    assert mine
    with TurnLock(tmp_path / "turns").taken() as theirs:  # the turn that came late was given back
        assert theirs


def test_an_error_releases_the_lock(tmp_path):
    """After an error the next call gets the turn."""
    turns = TurnLock(tmp_path / "turns")
    with pytest.raises(RuntimeError), turns.taken():
        raise RuntimeError("the network failed")
    with TurnLock(tmp_path / "turns").taken() as mine:
        assert mine


@pytest.mark.parametrize(
    ("settings", "allowed", "turns"),
    [
        ({}, {0, 1}, True),
        ({}, {0, 1, 2, 3}, True),
        ({}, {0}, False),
        ({}, set(range(5)), False),
        ({"VITRINE_TURNS": "off"}, {0, 1}, False),
        ({"VITRINE_CACHE_FOLDER": None}, {0, 1}, False),
    ],
)
def test_the_lock_is_used_where_few_cores_are_shared(tmp_path, monkeypatch, settings, allowed, turns):
    """There are turns in the models' shared folder on two to four cores, unless they are off."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    given = {"VITRINE_CACHE_FOLDER": str(tmp_path / "cache")} | settings
    opened = open_turn_lock({name: value for name, value in given.items() if value is not None})
    assert isinstance(opened, TurnLock if turns else NoTurnLock)


def test_other_cores_have_another_lock(tmp_path, monkeypatch):
    """A container on other cores does not wait."""
    given = {"VITRINE_CACHE_FOLDER": str(tmp_path)}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    ours, same = open_turn_lock(given), open_turn_lock(given)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3})
    with ours.taken() as mine, open_turn_lock(given).taken() as theirs:
        assert (mine, theirs) == (True, True)
        same._max_wait_s = 0.05
        with same.taken() as third:
            assert not third


@pytest.mark.parametrize("planted", ["a link", "a file for a folder"])
def test_an_unusable_folder_is_not_used(tmp_path, monkeypatch, planted):
    """No link is followed, and the networks run without turns."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    if planted == "a link":
        name = next(iter(_names(tmp_path / "other")))
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / name).symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "cache").write_text("")
    opened = open_turn_lock({"VITRINE_CACHE_FOLDER": str(tmp_path / "cache")})
    with opened.taken() as mine:
        assert not mine
    assert not (tmp_path / "elsewhere").exists()


def _names(folder):
    open_turn_lock({"VITRINE_CACHE_FOLDER": str(folder)})
    return [path.name for path in folder.iterdir()]
