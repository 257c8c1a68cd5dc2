"""Invalidations that wait for the store are durable, shared, and not lost to a later one."""

import pytest
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.key import EVERYTHING
from vitrine_orchestrator.cache.tombstones import OwnTombstones, SharedTombstones


@pytest.fixture(params=["own", "shared"])
def tombstones(request, tmp_path):
    return OwnTombstones() if request.param == "own" else SharedTombstones(tmp_path / "tombstones")


def test_a_tombstone_holds_until_it_is_removed(tombstones):
    """A tombstone holds for its owner only."""
    made = tombstones.add("person:1")
    assert tombstones.is_pending("person:1")
    assert not tombstones.is_pending("person:10")
    assert tombstones.all() == [made]
    tombstones.remove(made)
    assert not tombstones.is_pending("person:1")
    assert tombstones.all() == []


def test_a_tombstone_of_everything_covers_all_owners(tombstones):
    """A tombstone of everything holds for every owner."""
    tombstones.add(EVERYTHING)
    assert tombstones.is_pending("person:1")


def test_a_later_tombstone_is_not_removed_with_an_earlier_one(tombstones):
    """A tombstone added while an earlier one is carried out stays."""
    first = tombstones.add("person:1")
    second = tombstones.add("person:1")
    tombstones.remove(first)
    assert tombstones.all() == [second]


def test_other_processes_and_restarts_see_tombstones(tmp_path):
    """Tombstones are files, which other processes and later starts read."""
    made = SharedTombstones(tmp_path).add("person:\ud800\0é")
    assert SharedTombstones(tmp_path).all() == [made]
    assert SharedTombstones(tmp_path).is_pending(made.owner)


@pytest.mark.parametrize("forgotten", ["person:1", EVERYTHING])
def test_a_damaged_tombstone_holds_and_is_written_again(tmp_path, forgotten):
    """It names no owner any more, but its file's name does: once asked for, it can be carried out."""
    tombstones = SharedTombstones(tmp_path)
    tombstones.add(forgotten)
    next(tmp_path.glob("*.json")).write_bytes(b"")
    assert tombstones.all() == []
    assert tombstones.is_pending("person:1")
    (made,) = tombstones.all()
    assert made.owner == forgotten
    tombstones.remove(made)
    assert not tombstones.is_pending("person:1")


def test_a_tombstone_that_cannot_be_written_is_an_error(tmp_path):
    """A tombstone that cannot be written raises an error."""
    tombstones = SharedTombstones(tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(Unavailable, match="not written"):
        tombstones.add("person:1")


def test_a_tombstone_is_on_disk_before_it_is_reported(tmp_path, monkeypatch):
    """The file is flushed before its rename, and the folder after it."""
    import os

    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, n=name, r=real: (calls.append(n), r(*args))[1])
    SharedTombstones(tmp_path).add("person:1")
    assert calls == ["fsync", "replace", "fsync"]
