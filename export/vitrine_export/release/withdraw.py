"""`vitrine-export withdraw`: removes a release: the newest to roll back, or an old one to free its memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrine_orchestrator.manifest import is_version, versions

from vitrine_export.release.drafts import clear_unfinished, repository_lock
from vitrine_export.release.folders import pipeline_versions, withdraw
from vitrine_export.release.loading import add_server, check_server, leave, without_folder

HELP = "remove a release, and every version that no other release needs"
EXAMPLES = """\
examples:
  vitrine-export withdraw 2 --into model_repository --url localhost:8001    roll back to release 1
  vitrine-export withdraw 1 --into model_repository --url localhost:8001    retire the old one

Requests in flight finish. Without --url only the folders go, and a server keeps what it has loaded.
With it the server is asked before anything is removed; the same again unloads what is still loaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("version", type=_release, metavar="VERSION", help="the release")
    parser.add_argument(
        "--into", type=Path, required=True, metavar="REPOSITORY", help="the served repository"
    )
    add_server(parser, "unload there as well")


def run(args: argparse.Namespace) -> int:
    """Remove the folders, unload them if a server is named, and return 0."""
    version, repository, headers = args.version, args.into, dict(args.header)
    with repository_lock(repository):
        if args.url is None:
            _remove(version, repository)
            return 0
        held = check_server(args.url, headers, repository, without=version)
        left = without_folder(held, repository)
        if version in pipeline_versions(repository) or not any(version in one for one in left.values()):
            _remove(version, repository)
        left = without_folder(held, repository)
        ended = {name for name in left if not versions(repository, name)}
        leave(args.url, headers, left, print, ended)
    return 0


def _remove(version: int, repository: Path) -> None:
    if version in clear_unfinished(repository):
        print(f"removed: what a publish of release {version} had left")
        return
    gone = withdraw(version, repository)
    print(f"removed: {', '.join(f'{name}/{one}' for name, several in gone.items() for one in several)}")


def _release(text: str) -> int:
    if not is_version(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)
