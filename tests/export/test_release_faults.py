"""`publish` and `withdraw` when something goes wrong: nothing half done stays; a command can be repeated."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from exported_repository import exported
from vitrine_export.command import main
from vitrine_export.errors import ReleaseFailed
from vitrine_export.exporting import record
from vitrine_export.release import drafts, folders
from vitrine_orchestrator.manifest import read_releases, versions

EXPORT = str(Path(sys.executable).with_name("vitrine-export"))


@pytest.fixture
def served(tmp_path):
    """A repository with release 1."""
    return exported(tmp_path / "served")


@pytest.fixture
def new(tmp_path):
    """An export with another decoder."""
    return exported(tmp_path / "new", vae_decoder="better")


def added(repository):
    """What lies beside the folders of release 1."""
    return sorted(str(path.relative_to(repository)) for path in repository.glob("*/*") if path.name != "1")


def publish(source, repository, *more):
    """Publish by the command; returns its exit code."""
    return main(["publish", str(source), "--into", str(repository), *more])


def withdraw(version, repository, *more):
    """Withdraw by the command; returns its exit code."""
    return main(["withdraw", str(version), "--into", str(repository), *more])


@pytest.mark.parametrize("work", ["copy2", "replace"])
def test_a_publish_that_fails_leaves_nothing(served, new, monkeypatch, work):
    """A full disk while files are copied, or at the last rename: the repository is as it was."""
    before = added(served)

    def fails(source, target):
        if "try_on_stream" in str(target):
            raise OSError(28, "No space left on device", str(target))
        return real(source, target)

    owner = shutil if work == "copy2" else Path
    real = getattr(owner, work)
    monkeypatch.setattr(owner, work, fails)
    assert publish(new, served) == 1
    assert added(served) == before
    monkeypatch.undo()
    assert publish(new, served) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from vitrine_export.command import main
real, at = Path.replace, sys.argv.pop()
def replace(path, target):
    if path.parent.name == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, target)
Path.replace = replace
main(sys.argv[1:])
"""


@pytest.fixture(params=["vae_decoder", "try_on_stream"])
def killed(served, new, request):
    """A repository whose publish was killed before the first rename, or before the last one."""
    words = ["publish", str(new), "--into", str(served), request.param]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(folders.releases(served)) == [1]
    return served


def test_a_publish_that_was_killed_is_repeated(killed, new):
    """What it left is no release, and goes when the next one begins."""
    assert publish(new, killed) == 0
    assert list(folders.releases(killed)) == [1, 2]
    assert not [name for name in added(killed) if name.endswith("draft")]


def test_a_publish_that_was_killed_is_withdrawn(killed):
    """Withdrawing clears it away too."""
    assert withdraw(2, killed) == 0
    assert added(killed) == []


def test_a_version_that_lacks_a_pipeline_is_no_release(served, new, tmp_path, capsys):
    """It is named with the remedy, and withdrawing removes what there is of it."""
    assert publish(new, served) == 0
    shutil.rmtree(served / "try_on" / "2")
    assert publish(exported(tmp_path / "next", pose="better"), served) == 1
    assert "lacks pipelines of its families: withdraw 2" in capsys.readouterr().err
    assert withdraw(2, served) == 0
    assert added(served) == []


def test_two_publishes_take_no_turns(served, new):
    """The second one is refused at once, and the first one's folders stay its own."""
    with drafts.repository_lock(served):
        done = subprocess.run(
            [EXPORT, "publish", new, "--into", served], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "another publish or withdraw is under way" in done.stderr
    assert added(served) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--url", ""),
        ("--url", "localhost"),
        ("--url", "http://localhost:8001"),
        ("--url", "grpcs://localhost:8001"),
        ("--url", "localhost:8001", "--header", "a b: c"),
        ("--url", "localhost:8001", "--header", "key: 한글"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_written(served, new, words):
    """So is a header that cannot be sent; the exit code is that of wrong usage."""
    for call in (lambda: publish(new, served, *words), lambda: withdraw(1, served, *words)):
        with pytest.raises(SystemExit) as ended:
            call()
        assert ended.value.code == 2
    assert added(served) == []


def test_a_server_that_does_not_answer_changes_nothing(served, new, capsys):
    """Neither command touches the disk, so both can be repeated."""
    assert publish(new, served, "--url", "localhost:1") == 1
    assert added(served) == []
    assert publish(new, served) == 0
    before = added(served)
    assert withdraw(2, served, "--url", "localhost:1") == 1
    assert added(served) == before
    assert capsys.readouterr().err.count("the server localhost:1 does not say what it has loaded") == 2


DAMAGES = {
    "{broken": r"\(line 1, column 2\)",
    "": r"\(line 1, column 1\)",
    "[]": "it must be an object",
    '{"format": 3}': "releases must be an object",
    '{"format": 3, "releases": {"idm_vton": {}}}': "the entry of idm_vton lacks its facts",
    '{"format": 3, "releases": {"idm_vton": []}}': "the entry of idm_vton must be an object",
    "\xff": r"\(line 1, column 1\)",
}


@pytest.mark.parametrize("text", DAMAGES)
@pytest.mark.parametrize("which", ["source", "served"])
def test_a_damaged_manifest_is_named_in_one_line(served, new, capsys, text, which):
    """Whichever repository it is in; nothing is written."""
    place = {"source": new, "served": served}[which] / "try_on" / "1" / "manifest.json"
    place.write_text(text, encoding="utf-8")
    assert publish(new, served) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert re.search(rf"{place} is damaged .*{DAMAGES[text]}.*: run make export", said)
    assert added(served) == []


def test_a_damaged_release_can_be_withdrawn(served, new, tmp_path, capsys):
    """Publishing says so; what is withdrawn is not read."""
    assert publish(new, served) == 0
    (served / "prepare_text" / "2" / "manifest.json").write_bytes(b"\xff{")
    assert publish(exported(tmp_path / "next", pose="better"), served) == 1
    assert re.search(r"is damaged \(byte 0 is no UTF-8\): withdraw release 2", capsys.readouterr().err)
    assert withdraw(2, served) == 0
    assert added(served) == []


@pytest.mark.parametrize("name", ["9" * 20, "²", "007", "0", "٣"])
def test_a_folder_that_is_no_version_is_passed_over(served, new, name):
    """Triton reads a version as a number of 64 bits, without leading zeros."""
    (served / "vae_decoder" / name).mkdir()
    assert versions(served, "vae_decoder") == [1]
    assert publish(new, served) == 0
    assert list(folders.releases(served)) == [1, 2]


def test_a_version_that_is_a_link_is_withdrawn(served, new, tmp_path):
    """The link goes; what it leads to belongs to somebody else."""
    assert publish(new, served) == 0
    elsewhere = tmp_path / "elsewhere"
    (served / "vae_decoder" / "2").rename(elsewhere)
    (served / "vae_decoder" / "2").symlink_to(elsewhere)
    assert withdraw(2, served) == 0
    assert added(served) == []
    assert (elsewhere / "model.onnx").exists()


def test_nothing_is_removed_if_one_folder_cannot_be(served, new, monkeypatch):
    """The check of all comes before the first removal."""
    assert publish(new, served) == 0
    before = added(served)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "vae_decoder" not in str(path) and real(path, mode))
    with pytest.raises(ReleaseFailed, match="cannot be written, so nothing is removed"):
        folders.withdraw(2, served)
    assert added(served) == before


def test_a_release_follows_the_only_other_one(served, new, tmp_path):
    """After the first release was withdrawn, the second is the one to build on."""
    assert publish(new, served) == 0
    assert withdraw(1, served) == 0
    assert publish(exported(tmp_path / "next", vae_decoder="better", pose="better"), served) == 0
    assert list(folders.releases(served)) == [2, 3]


@pytest.mark.parametrize("command", ["publish", "withdraw"])
def test_a_missing_repository_is_named(new, tmp_path, capsys, command):
    """Not as one without releases."""
    missing = tmp_path / "missing"
    assert (publish(new, missing) if command == "publish" else withdraw(1, missing)) == 1
    assert f"there is no repository {missing}" in capsys.readouterr().err


def test_exports_of_two_families_at_once_keep_both_entries(tmp_path):
    """`make -j` runs them together; each adds its entry to the same manifest."""
    entry = {"facts": {"text": "x" * 3000}, "digest": "0", "exporter": "test", "files": {}}
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        children = []
        for family in ("fashn", "z-image"):
            if (pid := os.fork()) == 0:
                with record.folder_lock(folder, wait=True):
                    record._write_entry(folder, family, entry)
                os._exit(0)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        assert read_releases(folder).keys() == {"fashn", "z-image"}
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]
