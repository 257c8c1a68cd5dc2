"""The requests and measures of perf_analyzer, and the command with a stand-in for the program."""

import argparse
import base64
import io
import json
import struct
import sys

import pytest
from PIL import Image
from vitrine.errors import Unavailable
from vitrine_measure.perf import command
from vitrine_measure.perf.measures import read_profile, table
from vitrine_measure.perf.requests import bytes_value, write_requests
from vitrine_measure.perf.tool import PerfFailed, Tool, find_tool
from vitrine_orchestrator.stages import stage

SECOND = 1_000_000_000

# Answers as perf_analyzer does: writes the profile it is asked for, one request a second.
STAND_IN = """\
#!{python}
import json, sys
words = dict(zip(sys.argv[1:], sys.argv[2:]))
requests = json.load(open(words["--input-data"]))["data"]
responses = 2 if "--streaming" in sys.argv else 1
told = [
    dict(timestamp=i * 10**9, response_timestamps=[(i + k + 1) * 10**9 for k in range(responses)])
    for i in range(int(words["--request-count"]))
]
json.dump(dict(experiments=[dict(requests=told)]), open(words["--profile-export-file"], "w"))
"""


@pytest.fixture
def folder(tmp_path):
    """A tool folder whose program is the stand-in."""
    return _tool(tmp_path, STAND_IN.format(python=sys.executable)).folder


def _tool(folder, program):
    (folder / "bin").mkdir()
    path = folder / "bin" / "perf_analyzer"
    path.write_text(program)
    path.chmod(0o755)
    return Tool(folder)


def _arguments(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_a_bytes_value_carries_its_length_inside_the_base64():
    """The base64 begins with the length, which perf_analyzer does not add."""
    value = base64.b64decode(bytes_value(b"four")["b64"])
    assert value == struct.pack("<I", 4) + b"four"


def test_every_request_has_a_seed_of_its_own_and_people_come_again(tmp_path):
    """Results differ by seed, while prepared people can come from a cache."""
    write_requests(tmp_path / "in.json", count=5, people=2, steps=3)
    rows = json.loads((tmp_path / "in.json").read_text())["data"]
    assert [row["seed"]["content"] for row in rows] == [[0], [1], [2], [3], [4]]
    assert rows[0]["person"] == rows[2]["person"] != rows[1]["person"]


def test_the_requests_are_inputs_of_try_on(tmp_path):
    """Every input is in the stage table, and the person is a picture."""
    write_requests(tmp_path / "in.json", count=1, people=1, steps=3)
    (row,) = json.loads((tmp_path / "in.json").read_text())["data"]
    assert set(row) <= {tensor.name for tensor in stage("try_on").inputs}
    picture = base64.b64decode(row["person"]["b64"])[4:]
    assert Image.open(io.BytesIO(picture)).format == "PNG"


def test_a_profile_is_read_though_it_holds_raw_pictures(tmp_path):
    """Times are read although perf_analyzer writes a PNG's bytes into its JSON."""
    path = tmp_path / "profile.json"
    request = b'{"timestamp": 0, "request_inputs": {"person": "\x89PNG"}, "response_timestamps": [%d, %d]}'
    path.write_bytes(b'{"experiments": [{"requests": [' + request % (SECOND, 3 * SECOND) + b"]}]}")
    measure = read_profile(path, "stream", at_once=1, streamed=True)
    assert (measure.first[0], measure.last[0], measure.wall) == (1.0, 3.0, 3.0)


@pytest.mark.parametrize("told", [[], [{"timestamp": 0, "response_timestamps": []}]])
def test_a_profile_without_answers_is_a_failure(tmp_path, told):
    """A profile without answers raises an error."""
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({"experiments": [{"requests": told}]}))
    with pytest.raises(PerfFailed, match="try_on"):
        read_profile(path, "try_on", at_once=1, streamed=False)


def test_the_table_shows_a_streams_first_event(tmp_path):
    """The last column is for streams; other runs have a dash there."""
    path = tmp_path / "profile.json"
    path.write_text(
        json.dumps({"experiments": [{"requests": [{"timestamp": 0, "response_timestamps": [SECOND] * 2}]}]})
    )
    lines = table([read_profile(path, "a", 1, streamed) for streamed in (False, True)]).splitlines()
    assert lines[1].endswith("-")
    assert lines[2].endswith("1.000")


def test_the_command_runs_every_row_against_a_running_server(folder, capsys):
    """There is a row each for try_on over HTTP and gRPC and for try_on_stream."""
    words = ("--http", "a:1", "--grpc", "a:2", "--requests", "3", "--people", "1", "--tool", str(folder))
    assert command.run(_arguments(*words)) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [" ".join(line.split()[:2]) for line in lines[1:]]
    assert names == ["try_on http", "try_on grpc", "try_on_stream grpc"]


def test_one_address_alone_is_refused(folder):
    """Both addresses must be given, since each protocol has a row."""
    with pytest.raises(argparse.ArgumentTypeError, match="together"):
        command.run(_arguments("--http", "a:1", "--tool", str(folder)))


def test_a_failed_run_reports_the_programs_message(tmp_path):
    """The error has the program's message, on one line."""
    tool = _tool(tmp_path, "#!/bin/sh\necho 'Thread [0] had error: busy'\nexit 99\n")
    with pytest.raises(PerfFailed, match=r"code 99: Thread \[0\] had error: busy"):
        tool.run()


def test_a_missing_program_says_how_to_get_it(tmp_path):
    """The message has the command that fetches the program."""
    with pytest.raises(Unavailable, match=r"docker/perf-tools\.sh"):
        find_tool(tmp_path)
