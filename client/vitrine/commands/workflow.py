"""`vitrine workflow`: a graph of nodes in a JSON file in, the pictures that its nodes save out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vitrine.client import Vitrine
from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.following import followed, has_streams
from vitrine.commands.pictures_out import save
from vitrine.errors import BadRequest, VitrineError, one_line
from vitrine.workflows import Workflow, WorkflowOptions

HELP = "run a graph of nodes, and write the pictures that it saves"
EXAMPLES = """\
examples:
  vitrine workflow ad.json -o ads
  with pictures for its load_image nodes
    vitrine workflow ad.json --picture mug=mug.jpg -o ads
  what every node took, for scripts
    vitrine workflow ad.json -o ads --json | jq .nodes

The graph has the form of ComfyUI's API: docs/workflows.md lists the nodes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("graph", type=Path, metavar="GRAPH", help="JSON file of nodes by id")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the files")
    parser.add_argument(
        "--picture",
        type=_named,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a picture that a load_image node names; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the server's report as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files; return 0, or 1 where a node failed or a file could not be written.

    What other nodes saved is written all the same.
    """
    try:
        graph = args.graph.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"GRAPH must be a text file that can be read: {error}") from error
    with open_client(args) as vitrine:
        done = _done(vitrine, args, {"graph": graph, "pictures": dict(args.picture)})
    paths, errors = _written(args.out, done)
    if args.json:
        print(json.dumps(dict(done.report), indent=2, ensure_ascii=False))
    elif paths:
        print(*paths, sep="\n")
    for node in done.failed:
        print(f"vitrine workflow: node {node.name!r} ({node.class_type}): {node.error}", file=sys.stderr)
    for unwritten in errors:
        print(f"vitrine workflow: {unwritten.word}: {one_line(unwritten)}", file=sys.stderr)
    return 1 if done.failed or errors else 0


def _written(folder: Path, done: Workflow) -> tuple[list[Path], list[VitrineError]]:
    """Return the files that were written, and the errors of all others."""
    paths: list[Path] = []
    errors: list[VitrineError] = []
    for name, encoded in done.files.items():
        try:
            path = _path(folder, name)
            save(encoded, path)
            paths.append(path)
        except VitrineError as error:
            errors.append(error)
    return paths, errors


def _done(vitrine: Vitrine, args: argparse.Namespace, options: WorkflowOptions) -> Workflow:
    """Return the finished workflow; over gRPC, a progress bar counts the nodes on a terminal."""
    if not has_streams(args):
        return vitrine.run_workflow(**options)
    return followed(vitrine.workflow_stream(**options), args, unit="node")


def _path(folder: Path, name: str) -> Path:
    """Return the file's place in the folder; VitrineError for a name that leads out of it."""
    if Path(name).name != name or name in ("", ".", "..") or "\\" in name:
        raise VitrineError(f"the server's file must have a plain name, got {name[:60]!r}")
    return folder / name


def _named(text: str) -> tuple[str, Path]:
    name, mark, file = text.partition("=")
    if not (name and mark and file):
        raise argparse.ArgumentTypeError(f"must be NAME=FILE, got {text!r}")
    return name, Path(file)
