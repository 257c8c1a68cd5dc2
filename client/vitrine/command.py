"""The `vitrine` command: finds the subcommands, runs one, and reports an error as one line and an exit code.

A subcommand is a module with HELP (one line), EXAMPLES (text below its help; optional),
add_arguments(parser) and run(args) -> exit code. Other packages add subcommands with the entry-point group
"vitrine.commands"; the entry point has the subcommand's name. `run` raises VitrineError for a failure (exit
code 1) and argparse.ArgumentTypeError for arguments that exclude each other (exit code 2).
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Protocol

from vitrine.errors import Unavailable, VitrineError, one_line

OWN = {
    "try-on": "vitrine.commands.try_on",
    "picture": "vitrine.commands.picture",
    "prompt": "vitrine.commands.prompt",
    "score": "vitrine.commands.score",
    "cut-out": "vitrine.commands.cut_out",
    "workflow": "vitrine.commands.workflow",
    "ad": "vitrine.commands.ad",
    "text": "vitrine.commands.text",
    "describe": "vitrine.commands.describe",
    "models": "vitrine.commands.models",
    "results": "vitrine.commands.results",
}
GROUP = "vitrine.commands"
EXTRAS = {"gateway": "gateway", "up": "gateway"}  # what `pip install` needs for a command; else "server"
OF_WORDS = ("--text", "--description", "--subline", "--without")  # options whose values are sentences
_OUTPUT_BROKE = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EDQUOT)  # a closed pipe, a full disk
SHORT = ("-h", "-o")
INTERRUPTED = 130  # the exit code that shells report for a program that Ctrl-C ended

_DESCRIPTION = "Virtual try-on and advertising pictures from a Vitrine server."
_EXAMPLES = """\
examples:
  vitrine serve                                       start a server on this machine
  vitrine try-on me.jpg coat.jpg -o me-in-coat.png    one garment, one picture
  vitrine try-on me.jpg tops/*.jpg --sheet -o all.png   many garments on one contact sheet
  vitrine picture "a red kettle on a table" -o kettle.png     a sentence, one picture
  vitrine ad "카페 신메뉴" --product cup.png -o ad.png   a product, an advertisement
  vitrine cut-out mug.jpg -o mug.png                  the product on a transparent ground
  vitrine prompt "카페의 빨간 머그잔"                 a Korean sentence, an English prompt
  vitrine workflow ad.json -o ads                     a graph of nodes, its pictures
  vitrine text mug.png "신메뉴 4,500원" -o ad.png       text where it can be read
  vitrine models                                      what the server has loaded

`vitrine COMMAND --help` explains a command. Exit codes: 0 done, 1 failed, 2 wrong usage."""


class Command(Protocol):
    """The interface of a subcommand's module."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the subcommand's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Run the subcommand and return its exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _escape_letters()
    words = _joined(list(sys.argv[1:] if argv is None else argv))
    modules = find_commands()
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser({chosen: modules[chosen]} if chosen in modules else modules)
    args, unknown = parser.parse_known_args(words)
    if "run" not in args:
        parser.print_help()
        return 2
    if unknown and args.installed:
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except argparse.ArgumentTypeError as error:
        args.parser.error(str(error))
    except VitrineError as error:
        print(f"vitrine {args.command}: {error.word}: {one_line(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"vitrine {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno is None:  # the system said nothing: a fault of the code
            raise
        if error.filename is None and error.errno in _OUTPUT_BROKE:  # a file's error has its name
            _drop_output()
            if isinstance(error, BrokenPipeError):  # who closes a pipe, such as `head`, wants no more
                return 1
            place = "cannot write the output: "
        else:
            place = f"{error.filename}: " if error.filename is not None else ""
        print(f"vitrine {args.command}: {place}{error.strerror or one_line(error)}", file=sys.stderr)
    return 1


def _escape_letters() -> None:
    """Let a terminal that has not all letters show their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _joined(words: list[str]) -> list[str]:
    """Join an option of words with a value such as "-30%", which argparse would take for an option."""
    joined: list[str] = []
    for word in words:
        value = word.startswith("-") and not word.startswith("--") and word not in SHORT
        if value and joined and joined[-1] in OF_WORDS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _drop_output() -> None:
    """Send what stdout still holds to nowhere, so that the interpreter's last flush does not fail too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find_commands() -> dict[str, str]:
    """Map subcommands to modules: those of the client and those of installed packages."""
    return OWN | {entry.name: entry.value for entry in entry_points(group=GROUP)}


def build_parser(modules: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return a parser of these subcommands; imports their modules only."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "vitrine", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=form
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, path in modules.items():
        try:
            module: Command = importlib.import_module(path)
        except ImportError as error:
            module = NotInstalled(name, error)
        one = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=form,
        )
        module.add_arguments(one)
        one.set_defaults(run=module.run, parser=one, installed=not isinstance(module, NotInstalled))
    return parser


class NotInstalled:
    """Replaces a subcommand whose packages are missing, so that the others still work."""

    def __init__(self, name: str, error: ImportError) -> None:
        self.HELP = f"(not installed: {one_line(error)})"
        self._name, self._error = name, error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add no arguments: they are unknown."""

    def run(self, args: argparse.Namespace) -> int:
        """Report the missing package."""
        extra = EXTRAS.get(self._name, "server")
        raise Unavailable(f"{one_line(self._error)}; pip install 'vitrine[{extra}]' brings it")
