"""The `vitrine` command where its output goes nowhere, or its words begin like options."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from vitrine import FakeTransport, Vitrine, command
from vitrine.commands import ad, prompt

PROGRAM = """
import sys
from vitrine import FakeTransport, Vitrine, command
from vitrine.commands import prompt
prompt.open_client = lambda args: Vitrine(transport=FakeTransport())
sys.exit(command.main(["prompt", "빨간 머그잔"]))
"""


def run(**options):
    """Run `vitrine prompt` as a program."""
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, timeout=60, **options
    )


def test_a_closed_pipe_ends_the_command_quietly():
    """`vitrine … | head` shows no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run(stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_is_told_in_one_line():
    """The exit code says that the output is not whole."""
    with open("/dev/full", "wb") as full:
        done = run(stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"vitrine prompt: cannot write the output: No space left on device\n"


def test_letters_that_a_terminal_has_not_are_escaped():
    """An ASCII terminal shows their numbers instead of a traceback."""
    done = run(stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"\ube68\uac04 ")


def test_an_error_of_the_command_itself_is_not_hidden(monkeypatch):
    """Only what the system refuses is told in one line."""

    def broken(args):
        raise OSError("a fault of ours")

    monkeypatch.setattr(prompt, "open_client", broken)
    with pytest.raises(OSError, match="a fault of ours"):
        command.main(["prompt", "a mug"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "/nowhere/log"),
            "/nowhere/log: No such file",
        ),
        (OSError(28, "No space left on device", "/tmp/x"), "/tmp/x: No space left on device"),
        (OSError(99, "Cannot assign requested address"), "Cannot assign requested address"),
    ],
)
def test_what_the_system_refuses_is_told_in_one_line(monkeypatch, capsys, error, said):
    """The line names the file, where there is one, and the reason."""

    def refused(args):
        raise error

    monkeypatch.setattr(prompt, "open_client", refused)
    assert command.main(["prompt", "a mug"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vitrine prompt: {said}")


def test_a_question_of_state_has_ten_seconds():
    """`vitrine models` does not wait for a minute at an address where something else listens."""
    args = command.build_parser({"models": command.OWN["models"]}).parse_args(["models"])
    assert args.timeout_s == 10.0


def test_a_text_may_begin_with_a_minus(monkeypatch, tmp_path):
    """--text "-30%" is a text on an advertisement."""
    fake = FakeTransport()
    monkeypatch.setattr(ad, "open_client", lambda args: Vitrine(transport=fake))
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "cup.png")
    words = ["ad", "a cup", "--product", tmp_path / "cup.png", "--text", "-30%", "-o", tmp_path / "ad.png"]
    assert command.main([str(word) for word in words]) == 0
    assert "-30%" in fake.calls[-1].inputs["texts"][0].decode()


@pytest.mark.parametrize("seconds", ["abc", "0", "nan", "inf", "-1"])
def test_a_time_limit_is_a_number_of_seconds(seconds, capsys):
    """The error names the rule, and no function of ours."""
    with pytest.raises(SystemExit):
        command.main(["models", f"--timeout={seconds}"])
    assert f"argument --timeout: must be more than 0 s, got '{seconds}'" in capsys.readouterr().err
