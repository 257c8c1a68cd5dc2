"""`vitrine models`: the loaded models and their statistics."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from vitrine.commands.connection import add_connection, open_client
from vitrine.licences import LICENCES, rows
from vitrine.statuses import AT_REST, ModelStatus

HELP = "show what the server has loaded: versions, readiness, statistics"
EXAMPLES = """\
examples:
  vitrine models                      a table; exit code 1 when a loaded model is not ready
  vitrine models --json | jq '.[] | select(.ready | not)'   # NOT LOADED included
  vitrine models --licences           who may use what; asks no server

columns: requests answered and failed, rows per call (above 1: requests were batched), mean time of a
request and the part of it spent waiting in Triton's queue. On a server with a memory budget also: the most
memory that a model took, and seconds since its last call."""

STATE_S = 10.0  # time limit of a question about the server's state
_COLUMNS = ("model", "version", "state", "requests", "failed", "rows/call", "mean ms", "queue ms")
_MEMORY = ("MiB", "used s ago")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--licences",
        action="store_true",
        help="print the licences of networks and libraries, without a server",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of a table")
    add_connection(parser)
    parser.set_defaults(timeout_s=STATE_S)


def run(args: argparse.Namespace) -> int:
    """Print the models; return 1 when one is not ready, apart from those that nobody asked to load."""
    if args.licences:
        return _print_licences(args.json)
    with open_client(args) as vitrine:
        models = vitrine.models()
    if args.json:
        print(json.dumps([asdict(model) | {"ready": model.ready} for model in models], indent=2))
    else:
        print(_models_table(models))
    return 0 if all(model.expected for model in models) else 1


def _models_table(models: Sequence[ModelStatus]) -> str:
    """The table, with the columns of memory where a server has a memory budget."""
    if not any(model.place for model in models):
        return table([_COLUMNS, *map(_row, models)])
    return table([(*_COLUMNS, *_MEMORY), *((*_row(model), *_memory(model)) for model in models)])


def _print_licences(as_json: bool) -> int:
    print(json.dumps([asdict(one) for one in LICENCES], indent=2) if as_json else table([*rows()]))
    return 0


def table(lines: Sequence[Sequence[str]]) -> str:
    """Format lines as a table: the first three columns align left, figures align right."""
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    )


def _row(model: ModelStatus) -> tuple[str, ...]:
    state = model.place.upper() if model.place == AT_REST else model.state
    state = f"{state} ({model.reason})" if model.reason and not model.ready else state
    return (
        model.name,
        model.version or "-",
        state,
        str(model.requests),
        str(model.failures),
        f"{model.inferences / model.executions:.2f}" if model.executions else "-",
        f"{model.mean_ms:.1f}" if model.requests else "-",
        f"{model.queue_ms:.1f}" if model.requests else "-",
    )


def _memory(model: ModelStatus) -> tuple[str, str]:
    if not model.place:
        return "-", "-"
    used = "never" if model.used_s_ago is None else f"{model.used_s_ago:.0f}"
    return f"{model.memory_bytes / 2**20:.0f}", used
