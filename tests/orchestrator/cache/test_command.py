"""`vitrine cache` as a user meets it, and the request that a server answers."""

import argparse
import json

import numpy as np
import pytest
from test_importing import old_objects
from vitrine.errors import BadRequest, Unavailable
from vitrine_orchestrator.cache import command
from vitrine_orchestrator.cache.control import control
from vitrine_orchestrator.cache.disk import Disk
from vitrine_orchestrator.cache.key import Key, owner


def run(*words: str) -> int:
    """The command's exit code."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def put(folder, *owners: str) -> Disk:
    disk = Disk(folder)
    for who in owners:
        key = Key("garment", who, "recipe")
        disk.write(key, b"x" * 1000, disk.read(key).lease)
    return disk


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRINE_CACHE_FOLDER", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_stats_tell_what_is_kept(folder, capsys):
    """As a table, or as JSON for other programs."""
    put(folder, "garment:a", "garment:b")
    assert run("stats") == 0
    assert "disk_entries" in capsys.readouterr().out
    assert run("stats", "--json") == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["disk_entries"] == 2
    assert numbers["disk_bytes"] > 2000


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--person", "1"), [False, True, True]),
        (("--garment", "coat"), [True, True, False]),
        (("--everything",), [False, False, False]),
    ],
)
def test_clear_reaches_a_running_server(folder, capsys, words, left):
    """A process that has the folder open answers nothing of it any more, and the others' values stay."""
    owners = [owner("person", "1"), owner("person", "10"), owner("garment", "coat")]
    server = put(folder, *owners)
    assert run("clear", *words) == 0
    assert capsys.readouterr().out.startswith("cleared ")
    found = [server.read(Key("garment", who, "recipe")).value is not None for who in owners]
    assert found == left


def test_clear_needs_to_know_whom(folder):
    """Without a name nothing is cleared."""
    with pytest.raises(SystemExit):
        run("clear")


def test_without_a_cache_there_is_nothing_to_ask(monkeypatch):
    """The message says which settings are missing."""
    monkeypatch.delenv("VITRINE_CACHE_FOLDER", raising=False)
    with pytest.raises(Unavailable, match="VITRINE_CACHE_FOLDER"):
        run("stats")


async def test_import_runs_from_the_command_line(s3, monkeypatch, capsys, tmp_path):
    """Progress on stderr, the summary on stdout, 1 if something is left undone."""
    import asyncio

    for path, data in old_objects().items():
        s3.objects[path] = data
    monkeypatch.setenv("VITRINE_CACHE_STORE", "s3://bucket/new")
    monkeypatch.setenv("VITRINE_CACHE_ENDPOINT", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert await asyncio.to_thread(run, "import", "--from", "s3://bucket", "--dry-run") == 0
    assert "nothing written" in capsys.readouterr().out
    assert await asyncio.to_thread(run, "import", "--from", "s3://bucket") == 0
    assert "imported: 3" in capsys.readouterr().out
    del s3.objects["users/alice/vton-cache/upper/mask.png"]
    assert await asyncio.to_thread(run, "import", "--from", "s3://bucket") == 1
    assert "incomplete: no mask" in capsys.readouterr().out


def request(**inputs: str) -> dict[str, np.ndarray]:
    """The inputs of the model `cache`."""
    return {name: np.array([text.encode()], np.object_) for name, text in inputs.items()}


async def test_a_server_answers_statistics_and_clears(opened):
    """By request: the same numbers, the same invalidation."""
    cache = opened(store="off")
    key = Key("upper_body", owner("person", "1"), "recipe")

    async def compute():
        return {"x": np.zeros(3, np.float32)}

    await cache.memo.get_or_compute(key, compute)
    stats = json.loads((await control(cache, request()))["answer"][0])
    assert (stats["total_requests"], stats["upper_body_entries"]) == (1, 1)
    told = await control(cache, request(action="clear", person_id="1"))
    assert json.loads(told["answer"][0]) == {"cleared": "person:1"}
    assert (await cache.memo.get_or_compute(key, compute))[1] == "fresh"
    everything = {"everything": np.array([True])} | request(action="clear")
    assert json.loads((await control(cache, everything))["answer"][0]) == {"cleared": "everything"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"action": "drop"}, "action must be one of stats, clear"),
        ({"action": "clear"}, "got 0"),
        ({"action": "clear", "person_id": "1", "garment_id": "2"}, "got 2"),
    ],
)
async def test_a_request_that_is_not_clear_is_refused(opened, inputs, message):
    """By the name of the field and the rule."""
    with pytest.raises(BadRequest, match=message):
        await control(opened(store="off"), request(**inputs))
