"""`vitrine-export withdraw`: removes a release: the newest to roll back, or an old one to free its memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrine_export.release.folders import withdraw
from vitrine_export.release.loading import add_server, leave

HELP = "remove a release, and every version that no other release needs"
EXAMPLES = """\
examples:
  vitrine-export withdraw 2 --into model_repository --url localhost:8001    roll back to release 1
  vitrine-export withdraw 1 --into model_repository --url localhost:8001    retire the old one

Requests in flight finish. Without --url only the folders go, and a server keeps what it has loaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("version", type=int, metavar="VERSION", help="the release")
    parser.add_argument(
        "--into", type=Path, required=True, metavar="REPOSITORY", help="the served repository"
    )
    add_server(parser)


def run(args: argparse.Namespace) -> int:
    """Remove the folders, unload them if a server is named, and return 0."""
    gone = withdraw(args.version, args.into)
    removed = (f"{name}/{version}" for name, versions in gone.items() for version in versions)
    print(f"removed: {', '.join(removed)}")
    if args.url:
        leave(args.url, dict(args.header), gone, print)
    return 0
