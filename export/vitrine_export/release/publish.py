"""`vitrine-export publish`: adds a new release next to the served one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from vitrine_export.errors import NothingNew, ReleaseFailed
from vitrine_export.release.drafts import clear_unfinished, repository_lock
from vitrine_export.release.folders import MODELS, add, called, planned, releases
from vitrine_export.release.loading import Loaded, add_server, check_server, load

HELP = "add an exported repository to a served one as its next release"
EXAMPLES = """\
examples:
  vitrine-export onnx --checkpoint checkpoints/summer --out build/summer
  vitrine-export publish build/summer --into model_repository --url localhost:8001
  vitrine-export withdraw 2 --into model_repository --url localhost:8001

Networks that have not changed are shared, not copied. With --url models are loaded in the order of the stage
table: the pipelines, which call the others, come last: a release that fails never answers a request.
The same command again loads what is published and not yet loaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an exported repository")
    parser.add_argument("--into", type=Path, required=True, metavar="REPOSITORY", help="the served one")
    add_server(parser, "load there as well")


def run(args: argparse.Namespace) -> int:
    """Write the release's folders, load them if a server is named, and return 0."""
    with repository_lock(args.into):
        held = None if args.url is None else check_server(args.url, dict(args.header), args.into)
        clear_unfinished(args.into)
        try:
            release = planned(args.source, args.into)
        except NothingNew:
            version, missing = _not_loaded(args.into, held)
            if not missing:
                raise
            print(f"release {version} is published already; not loaded yet: {', '.join(missing)}")
            return _load(args, version, missing)
        add(release, args.source, args.into)
        print(f"release {release.version}: new {', '.join(release.models)}")
        if release.shared:
            kept = (f"{name}/{version}" for name, version in release.shared.items())
            print(f"unchanged and shared: {', '.join(kept)}")
        return _load(args, release.version, release.models)


def _not_loaded(repository: Path, held: Loaded | None) -> tuple[int, list[str]]:
    """Return the newest release, and its models that a server does not hold, in loading order."""
    present = releases(repository)
    newest = max(present)
    missing = [
        row.name
        for row in MODELS
        for version in called(present[newest], row.name)
        if held is not None
        and version not in held.get(row.name, ())
        and (repository / row.name / str(version)).is_dir()
    ]
    return newest, list(dict.fromkeys(missing))


def _load(args: argparse.Namespace, version: int, models: Iterable[str]) -> int:
    """Load a release's models if a server is named; return 0."""
    if args.url is None:
        return 0
    try:
        load(args.url, dict(args.header), models, print)
    except ReleaseFailed as failure:
        raise ReleaseFailed(
            f"{failure}; what was served still is; publish again to try once more, or "
            f"vitrine-export withdraw {version} clears the folders away"
        ) from failure
    return 0
