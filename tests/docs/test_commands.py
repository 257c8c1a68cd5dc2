"""The commands explain themselves: every option has help, and asking for help writes nothing."""

import argparse
import subprocess
import sys

import pytest
from vitrine.command import build_parser, find_commands
from vitrine_export import command as export
from vitrine_orchestrator.ad_prompts.styles import STYLES


def arguments(parser, path=""):
    """Yield each argument of a parser and of its subcommands, with the words that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from arguments(below, f"{path} {name}")
        else:
            yield path, action


def test_every_argument_of_a_command_has_help():
    """Each option and each positional argument of `vitrine` and `vitrine-export` has a line of help."""
    found = [("vitrine", *one) for one in arguments(build_parser(find_commands()))]
    for name in export.COMMANDS:
        found += [("vitrine-export", *one) for one in arguments(export.build_parser(name))]
    assert len(found) > 300
    assert [(*where, action.dest) for *where, action in found if not action.help] == []


@pytest.mark.parametrize("program", [["-m", "vitrine_orchestrator.configs"], ["docs/make_reference.py"]])
def test_help_of_a_generator_writes_nothing(root, tmp_path, program):
    """The programs that write derived files print their help, and take no option for a folder."""
    page = root / "docs" / "reference.md"
    before = page.stat().st_mtime_ns
    words = [str(root / word) if word.endswith(".py") else word for word in program]
    for option, code, told in (("--help", 0, "usage: "), ("--folder", 2, "unrecognized arguments")):
        done = subprocess.run(
            [sys.executable, *words, option], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert told in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
    assert page.stat().st_mtime_ns == before


def test_the_help_of_prompt_has_every_style(root):
    """`vitrine prompt --help` and docs/ad-prompts.md name the styles that the server knows."""
    prompt = build_parser({"prompt": "vitrine.commands.prompt"})
    (told,) = [action.help for _, action in arguments(prompt) if action.dest == "style"]
    assert [name for name in STYLES if name not in told] == []
    page = (root / "docs" / "ad-prompts.md").read_text()
    assert [name for name in STYLES if f"`{name}`" not in page] == []
