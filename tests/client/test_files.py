"""Files are written whole or not at all."""

import os

import pytest
from vitrine.errors import VitrineError
from vitrine.files import save


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_has_the_permissions_that_the_process_gives_its_files(tmp_path, mask):
    """A saved file can be read by those who can read any other new file."""
    before = os.umask(mask)
    try:
        save(b"content", tmp_path / "one" / "two.png")
    finally:
        os.umask(before)
    path = tmp_path / "one" / "two.png"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"content", 0o666 & ~mask)


def test_the_umask_is_left_alone(tmp_path, monkeypatch):
    """The umask belongs to the whole process: a thread that sets it changes the files of all others."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask was set"))
    save(b"content", tmp_path / "one.png")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    """The error names the path; no draft stays beside it."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(VitrineError, match=r"cannot write .*folder.png: Is a directory"):
        save(b"content", tmp_path / "folder.png")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]
