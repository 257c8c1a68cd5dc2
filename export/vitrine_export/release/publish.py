"""`vitrine-export publish`: adds a new release next to the served one."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrine_export.errors import ReleaseFailed
from vitrine_export.release.folders import add, planned
from vitrine_export.release.loading import add_server, load

HELP = "add an exported repository to a served one as its next release"
EXAMPLES = """\
examples:
  vitrine-export onnx --checkpoint checkpoints/summer --out build/summer
  vitrine-export publish build/summer --into model_repository --url localhost:8001
  vitrine-export withdraw 2 --into model_repository --url localhost:8001

Networks that have not changed are shared, not copied. With --url models are loaded in the order of the stage
table: the pipelines, which call the others, come last: a release that fails never answers a request."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an exported repository")
    parser.add_argument("--into", type=Path, required=True, metavar="REPOSITORY", help="the served one")
    add_server(parser)


def run(args: argparse.Namespace) -> int:
    """Write the release's folders, load them if a server is named, and return 0."""
    release = planned(args.source, args.into)
    add(release, args.source, args.into)
    print(f"release {release.version}: new {', '.join(release.models)}")
    if release.shared:
        kept = (f"{name}/{version}" for name, version in release.shared.items())
        print(f"unchanged and shared: {', '.join(kept)}")
    if args.url:
        try:
            load(args.url, dict(args.header), release.models, print)
        except ReleaseFailed as failure:
            raise ReleaseFailed(
                f"{failure}; what was served still is; "
                f"vitrine-export withdraw {release.version} clears the folders away"
            ) from failure
    return 0
