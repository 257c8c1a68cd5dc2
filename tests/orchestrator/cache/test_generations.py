"""Leases become void after an invalidation, in every process of the folder, and survive restarts."""

import os
import subprocess
import sys

import pytest
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.generations import OwnGenerations, SharedGenerations
from vitrine_orchestrator.cache.key import EVERYTHING


@pytest.fixture(params=["own", "shared"])
def generations(request, tmp_path):
    if request.param == "own":
        yield OwnGenerations()
    else:
        shared = SharedGenerations(tmp_path / "generations")
        yield shared
        shared.close()


def test_a_lease_stands_until_its_owner_is_invalidated(generations):
    """Voiding one owner does not change another's lease."""
    one, ten = generations.now("person:1"), generations.now("person:10")
    generations.void("person:1")
    assert generations.now("person:1") != one
    assert generations.now("person:10") == ten


def test_voiding_everything_voids_every_lease(generations):
    """The token of everything is part of each lease."""
    before = [generations.now(f"person:{n}") for n in range(50)]
    generations.void(EVERYTHING)
    assert all(generations.now(f"person:{n}") != lease for n, lease in enumerate(before))


def test_two_invalidations_give_two_leases(generations):
    """A voided lease never becomes valid again."""
    seen = {generations.now("person:1")}
    for _ in range(100):
        generations.void("person:1")
        seen.add(generations.now("person:1"))
    assert len(seen) == 101


def test_another_process_sees_an_invalidation_at_once(tmp_path):
    """Two processes of a folder agree on each lease."""
    mine = SharedGenerations(tmp_path / "generations")
    before = mine.now("person:1")
    script = (
        "import sys, pathlib\n"
        "from vitrine_orchestrator.cache.generations import SharedGenerations\n"
        "SharedGenerations(pathlib.Path(sys.argv[1])).void('person:1')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(mine.path)], check=True)
    assert mine.now("person:1") != before
    mine.close()


def test_leases_outlive_a_restart(tmp_path):
    """A file opened again gives the same leases."""
    first = SharedGenerations(tmp_path / "generations")
    first.void("person:1")
    leases = [first.now(f"person:{n}") for n in range(3)]
    first.close()
    second = SharedGenerations(tmp_path / "generations")
    assert [second.now(f"person:{n}") for n in range(3)] == leases
    second.close()


def test_a_deleted_file_voids_every_lease(tmp_path):
    """A new file has a token of its own, so no old value is trusted."""
    shared = SharedGenerations(tmp_path / "cache" / "generations")
    before = shared.now("person:1")
    shared.path.unlink()
    shared.path.parent.rmdir()
    after = shared.now("person:1")
    assert after not in (None, before)
    assert shared.path.stat().st_mode & 0o777 == 0o600
    shared.close()


def test_a_file_cut_short_voids_every_lease(tmp_path):
    """A truncated file is replaced; one that shrinks during a read is a miss."""
    shared = SharedGenerations(tmp_path / "generations")
    before = shared.now("person:1")
    os.truncate(shared.path, 12)
    assert shared.now("person:1") is None
    shared.close()
    again = SharedGenerations(tmp_path / "generations")
    assert again.now("person:1") not in (None, before)
    again.close()


def test_a_planted_link_is_not_followed(tmp_path):
    """A symbolic link in place of the file is an error, and its target is unchanged."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "generations").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        SharedGenerations(tmp_path / "generations")
    assert target.read_bytes() == b"precious"


def test_an_invalidation_that_cannot_be_written_is_an_error(tmp_path):
    """An invalidation that may be lost at a power cut is not reported as done."""

    class ReadOnly:
        def __getattr__(self, name):
            return getattr(os, name)

        def pwrite(self, *args):
            raise OSError(30, "Read-only file system")

    SharedGenerations(tmp_path / "generations").close()
    shared = SharedGenerations(tmp_path / "generations", ReadOnly())
    with pytest.raises(Unavailable, match="Read-only file system"):
        shared.void("person:1")
    shared.close()


def test_an_invalidation_is_on_disk_before_it_is_reported(tmp_path):
    """The token is written, then flushed, and only then does void return."""
    calls = []

    class Recorder:
        def __getattr__(self, name):
            def call(*args, **more):
                calls.append(name)
                return getattr(os, name)(*args, **more)

            return call

    shared = SharedGenerations(tmp_path / "generations", Recorder())
    calls.clear()
    shared.void("person:1")
    assert calls[-2:] == ["pwrite", "fsync"]
    shared.close()
