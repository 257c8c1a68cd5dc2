"""`vitrine cache`: statistics, invalidation, and the import of old data.

Calls of a server need the client package only. `--local` and `import` work on the tiers themselves and need
the server's packages, so those are imported inside the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vitrine.commands.connection import add_connection, open_client
from vitrine.errors import Unavailable, one_line

NAMED = 20  # more odd keys than this are only counted in the summary of an import

if TYPE_CHECKING:
    from vitrine_orchestrator.cache.open_cache import CacheSettings
    from vitrine_orchestrator.cache.takeover.importing import Report

HELP = "cache statistics, invalidation, and the import of old data"
EXAMPLES = """\
examples:
  vitrine cache stats                                what the processes of the server did, and what is kept
  vitrine cache clear --person alice                 a new photo: nothing of the old one is served any more
  vitrine cache clear --everything --url gpu-7:8001
  vitrine cache clear --everything --local           without a server: in the folder and the store
  vitrine cache import --from s3://old-cache --dry-run
  vitrine cache import --from s3://old-cache         into the store that VITRINE_CACHE_STORE names; can be
                                                     interrupted and run again; deletes nothing

--local and import work on the folder and the store that a server here would use (VITRINE_CACHE_FOLDER,
VITRINE_CACHE_STORE, VITRINE_CACHE_ENDPOINT, VITRINE_CACHE_REGION). Credentials come as boto3 finds them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    stats = actions.add_parser("stats", help="counters, hit rates, entries and bytes")
    stats.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    clear = actions.add_parser("clear", help="forget a person, a garment or everything, in every tier")
    owner = clear.add_mutually_exclusive_group(required=True)
    owner.add_argument("--person", metavar="ID", help="person whose values are forgotten, in all categories")
    owner.add_argument("--garment", metavar="ID", help="garment whose values are forgotten, with its texts")
    owner.add_argument("--everything", action="store_true", help="forget all values of all tiers")
    for action in (stats, clear):
        action.add_argument(
            "--local", action="store_true", help="use the folder and the store without a server"
        )
        add_connection(action)
    importing = actions.add_parser("import", help="take over the object layout of the old service")
    importing.add_argument(
        "--from", dest="old", required=True, metavar="s3://BUCKET/PREFIX", help="address of the old objects"
    )
    importing.add_argument(
        "--from-endpoint", metavar="URL", help="endpoint of the old store, if it is another one"
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="read and check everything, and write nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Run the action. Returns the exit code: 1 if an import left something undone, else 0.

    Raises VitrineError.
    """
    try:
        if args.action == "import":
            return asyncio.run(_import(args, _settings()))
        return _stats(args) if args.action == "stats" else _clear(args)
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[server]' brings it") from error


def _stats(args: argparse.Namespace) -> int:
    if args.local:
        numbers = asyncio.run(_local_statistics(_tiers()))
    else:
        with open_client(args) as vitrine:
            numbers = vitrine.cache_statistics().numbers
    print(json.dumps(dict(numbers), indent=2) if args.json else table(numbers))
    return 0


def _clear(args: argparse.Namespace) -> int:
    if args.local:
        asyncio.run(_clear_locally(args, _tiers()))
    else:
        with open_client(args) as vitrine:
            vitrine.clear_cache(person_id=args.person, garment_id=args.garment, everything=args.everything)
    print("cleared everything" if args.everything else f"cleared {args.person or args.garment}")
    return 0


def _settings() -> CacheSettings:
    """The cache settings of the environment."""
    from vitrine_orchestrator.adapters.model import cache_settings
    from vitrine_orchestrator.settings import Settings

    return cache_settings(Settings.from_environment(os.environ))


def _tiers() -> CacheSettings:
    """The cache settings of the environment; Unavailable if they name neither a folder nor a store."""
    settings = _settings()
    if settings.folder is None and settings.store == "off":
        raise Unavailable("VITRINE_CACHE_FOLDER and VITRINE_CACHE_STORE are not set: no cache is known here")
    return settings


async def _local_statistics(settings: CacheSettings) -> Mapping[str, float]:
    from vitrine_orchestrator.cache.open_cache import open_cache

    cache = open_cache(settings)
    try:
        return await asyncio.to_thread(cache.statistics)
    finally:
        await cache.close()


async def _clear_locally(args: argparse.Namespace, settings: CacheSettings) -> None:
    from vitrine_orchestrator.cache.control import cleared_owner
    from vitrine_orchestrator.cache.open_cache import open_cache

    cache = open_cache(settings)
    try:
        await cache.clear(cleared_owner({"person": args.person, "garment": args.garment}, args.everything))
    finally:
        await cache.close()


async def _import(args: argparse.Namespace, settings: CacheSettings) -> int:
    from tqdm import tqdm
    from vitrine.s3 import place_of

    from vitrine_orchestrator.cache.objects import ObjectsFault, S3Objects
    from vitrine_orchestrator.cache.store import Store
    from vitrine_orchestrator.cache.takeover.importing import Importer

    old = place_of(args.old, args.from_endpoint or settings.endpoint, settings.region)
    if settings.store == "off":
        raise Unavailable("VITRINE_CACHE_STORE is not set: it names the store to import into")
    store = Store(S3Objects(place_of(settings.store, settings.endpoint, settings.region)))
    importer = Importer(S3Objects(old), store, args.dry_run)
    with tqdm(unit="set", desc="checked" if args.dry_run else "imported", file=sys.stderr) as bar:
        try:
            report = await importer.run(on_start=bar.reset, on_set=lambda outcome: bar.update())
        except ObjectsFault as error:
            raise Unavailable(f"{args.old} cannot be listed: {error}") from error
    print(summary(report, args.dry_run))
    return 1 if report.failed else 0


def table(numbers: Mapping[str, float]) -> str:
    """A table with one line for each number; rates in percent."""
    width = max(map(len, numbers))
    return "\n".join(
        f"{name.ljust(width)}  {f'{number:.1%}' if name.endswith('_rate') else f'{number:,}':>16}"
        for name, number in numbers.items()
    )


def summary(report: Report, dry_run: bool) -> str:
    """The outcomes of an import as text: counts, reasons, odd keys and objects that belong to no set."""
    lines = [f"{outcome}: {count}" for outcome, count in sorted(report.outcomes.items())]
    lines += sorted(report.reasons)
    if report.odd:
        named = ", ".join(map(repr, report.odd[:NAMED]))
        more = f" and {len(report.odd) - NAMED} more" if len(report.odd) > NAMED else ""
        lines.append(f"{len(report.odd)} objects passed over, whose keys are no plain paths: {named}{more}")
    if report.others:
        lines.append(f"{len(report.others)} objects belong to no set, {report.others[0]} for instance")
    lines.append(f"{report.read_bytes / 1e6:.1f} MB read{', nothing written' if dry_run else ''}")
    return "\n".join(lines)
