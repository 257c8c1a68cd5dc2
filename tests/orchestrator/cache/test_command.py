"""The command `vitrine cache` as a user sees it, and the requests that a server answers."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
from test_importing import old_objects
from vitrine import FakeTransport, Vitrine
from vitrine.errors import BadRequest, Unavailable
from vitrine.transport import DEFAULT_URL
from vitrine_orchestrator.cache import command
from vitrine_orchestrator.cache.control import control
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.try_on.cache_rows import OWNER_KINDS


def run(*words: str) -> int:
    """Run the command; returns its exit code."""
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
    """Statistics are printed as a table, or as JSON for other programs."""
    put(folder, "garment:a", "garment:b")
    assert run("stats", "--local") == 0
    assert "disk_entries" in capsys.readouterr().out
    assert run("stats", "--local", "--json") == 0
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
    """A process with the folder open answers no cleared value; other values stay."""
    owners = [owner("person", "1"), owner("person", "10"), owner("garment", "coat")]
    server = put(folder, *owners)
    assert run("clear", "--local", *words) == 0
    assert capsys.readouterr().out.startswith("cleared ")
    found = [server.read(Key("garment", who, "recipe")).value is not None for who in owners]
    assert found == left


def test_clear_needs_an_owner(folder):
    """Without an owner nothing is cleared."""
    with pytest.raises(SystemExit):
        run("clear")


def test_without_a_cache_there_is_nothing_to_ask(monkeypatch):
    """The message says which settings are missing."""
    monkeypatch.delenv("VITRINE_CACHE_FOLDER", raising=False)
    with pytest.raises(Unavailable, match="VITRINE_CACHE_FOLDER"):
        run("stats", "--local")


def test_a_server_is_used_unless_local_is_given(monkeypatch, capsys):
    """The server at --url gives the same figures and words."""
    fake, asked = FakeTransport(), []

    def opened(args):
        asked.append(args.url)
        return Vitrine(transport=fake)

    monkeypatch.setattr(command, "open_client", opened)
    assert run("stats", "--json", "--url", "gpu-7:8001") == 0
    assert json.loads(capsys.readouterr().out)["total_requests"] == 0
    assert run("clear", "--person", "alice") == 0
    assert capsys.readouterr().out == "cleared alice\n"
    assert run("clear", "--everything") == 0
    assert asked == ["gpu-7:8001", DEFAULT_URL, DEFAULT_URL]
    assert [{name: tensor[0] for name, tensor in call.inputs.items()} for call in fake.calls] == [
        {"action": b"stats"},
        {"action": b"clear", "person_id": b"alice"},
        {"action": b"clear", "everything": True},
    ]


def test_a_thin_client_can_ask_a_server():
    """The command works without the server's packages; only --local needs them."""
    without = "import sys; sys.modules.update(dict.fromkeys(('obstore', 'safetensors', 'onnxruntime'))); "
    words = ["from vitrine.command import main; sys.exit(main(['cache', *sys.argv[1:]]))"]
    for options, code, says in (
        (["--help"], 0, "--local"),
        (["clear", "--everything", "--local"], 1, "pip install"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", without + words[0], *options], capture_output=True, text=True, check=False
        )
        assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stderr


async def test_import_runs_from_the_command_line(s3, monkeypatch, capsys, tmp_path):
    """Progress goes to stderr and the summary to stdout; the exit code is 1 if anything failed."""
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
    """The inputs of the model `cache_control`."""
    return {name: np.array([text.encode()], np.object_) for name, text in inputs.items()}


async def test_a_server_answers_statistics_and_clears(opened):
    """A request gives the same numbers and the same invalidation."""
    cache = opened(store="off")
    key = Key("upper_body", owner("person", "1"), "recipe")

    async def compute():
        return {"x": np.zeros(3, np.float32)}

    await cache.memo.get_or_compute(key, compute)
    stats = json.loads((await control(cache, request(action="stats"), OWNER_KINDS))["answer"][0])
    assert (stats["total_requests"], stats["upper_body_entries"]) == (1, 1)
    told = await control(cache, request(action="clear", person_id="1"), OWNER_KINDS)
    assert json.loads(told["answer"][0]) == {"cleared": "person:1"}
    assert (await cache.memo.get_or_compute(key, compute))[1] == "fresh"
    everything = {"everything": np.array([True])} | request(action="clear")
    assert json.loads((await control(cache, everything, OWNER_KINDS))["answer"][0]) == {
        "cleared": "everything"
    }


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "action must be one of stats, clear"),
        ({"action": "drop"}, "action must be one of stats, clear"),
        ({"action": "clear"}, "got 0"),
        ({"action": "clear", "person_id": "1", "garment_id": "2"}, "got 2"),
    ],
)
async def test_a_request_that_is_not_clear_is_refused(opened, inputs, message):
    """The error names the field and the rule."""
    with pytest.raises(BadRequest, match=message):
        await control(opened(store="off"), request(**inputs), OWNER_KINDS)


@pytest.mark.parametrize("action", ["stats", "clear"])
async def test_without_a_shared_folder_nothing_is_promised(opened, action):
    """Without a folder the error names the setting, since other processes' memories cannot be reached."""
    with pytest.raises(Unavailable, match="set VITRINE_CACHE_FOLDER"):
        await control(opened(folder=None), request(action=action, person_id="1"), OWNER_KINDS)


async def test_what_is_cleared_elsewhere_leaves_the_memory_and_its_figures(opened):
    """Each process drops what another one invalidated, and the reported sizes shrink."""
    one, other = opened(store="off"), opened(store="off")

    async def compute():
        return {"x": np.zeros(3, np.float32)}

    for name in ("1", "2"):
        await one.memo.get_or_compute(Key("garment", owner("garment", name), "recipe"), compute)
    await control(other, request(action="clear", garment_id="1"), OWNER_KINDS)
    one.tidy()
    stats = json.loads((await control(one, request(action="stats"), OWNER_KINDS))["answer"][0])
    assert (stats["garment_entries"], stats["disk_entries"]) == (1, 1)
    assert one.memory.sizes()["garment"]["bytes"] == stats["garment_bytes"]
