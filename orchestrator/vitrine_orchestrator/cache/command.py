"""`vitrine cache`: statistics, invalidation, and taking over old data."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping

from tqdm import tqdm
from vitrine.errors import Unavailable

from vitrine_orchestrator.adapters.model import cache_settings
from vitrine_orchestrator.cache.control import cleared_owner
from vitrine_orchestrator.cache.importing import Importer, Report
from vitrine_orchestrator.cache.objects import ObjectsFault, S3Objects
from vitrine_orchestrator.cache.opening import CacheSettings, open_cache, place_of
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.settings import Settings

HELP = "cache statistics, invalidation, and the import of old data"
EXAMPLES = """\
examples:
  vitrine cache stats                                what the processes of this host did, and what is kept
  vitrine cache clear --person alice                 a new photo: nothing of the old one is served any more
  vitrine cache clear --everything
  vitrine cache import --from s3://old-cache --dry-run
  vitrine cache import --from s3://old-cache         into the store that VITRINE_CACHE_STORE names; can be
                                                     interrupted and run again; deletes nothing

The folder and the store are those of the server: VITRINE_CACHE_FOLDER, VITRINE_CACHE_STORE,
VITRINE_CACHE_ENDPOINT, VITRINE_CACHE_REGION. Credentials are found as boto3 finds them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    stats = actions.add_parser("stats", help="counters, hit rates, entries and bytes")
    stats.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    clear = actions.add_parser("clear", help="forget a person, a garment or everything, in every tier")
    whom = clear.add_mutually_exclusive_group(required=True)
    whom.add_argument("--person", metavar="ID", help="all categories of this person")
    whom.add_argument("--garment", metavar="ID", help="this garment and its texts")
    whom.add_argument("--everything", action="store_true", help="all that the folder and the store keep")
    taken = actions.add_parser("import", help="take over the object layout of the old service")
    taken.add_argument("--from", dest="old", required=True, metavar="s3://BUCKET/PREFIX", help="old objects")
    taken.add_argument("--from-endpoint", metavar="URL", help="address of the old store, if it is another")
    taken.add_argument("--dry-run", action="store_true", help="read and check everything, write nothing")


def run(args: argparse.Namespace) -> int:
    """Do it; 1 when something of an import is left undone. Raises VitrineError."""
    settings = cache_settings(Settings.from_environment(os.environ))
    if args.action == "import":
        return asyncio.run(_import(args, settings))
    if settings.folder is None and settings.store == "off":
        raise Unavailable("VITRINE_CACHE_FOLDER and VITRINE_CACHE_STORE are not set: no cache is known here")
    return asyncio.run(_stats(args.json, settings) if args.action == "stats" else _clear(args, settings))


async def _stats(as_json: bool, settings: CacheSettings) -> int:
    cache = open_cache(settings)
    numbers = await asyncio.to_thread(cache.statistics)
    await cache.close()
    print(json.dumps(numbers, indent=2) if as_json else table(numbers))
    return 0


async def _clear(args: argparse.Namespace, settings: CacheSettings) -> int:
    who = cleared_owner(args.person, args.garment, args.everything)
    cache = open_cache(settings)
    try:
        await cache.memo.forget(who)
    finally:
        await cache.close()
    print(f"cleared {who or 'everything'}")
    return 0


async def _import(args: argparse.Namespace, settings: CacheSettings) -> int:
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
    """One line for each number, rates in percent."""
    width = max(map(len, numbers))
    return "\n".join(
        f"{name.ljust(width)}  {f'{number:.1%}' if name.endswith('_rate') else f'{number:,}':>16}"
        for name, number in numbers.items()
    )


def summary(report: Report, dry_run: bool) -> str:
    """What became of the sets, the reasons, and what belongs to none."""
    lines = [f"{outcome}: {count}" for outcome, count in sorted(report.outcomes.items())]
    lines += sorted(report.reasons)
    if report.others:
        lines.append(f"{len(report.others)} objects belong to no set, {report.others[0]} for instance")
    lines.append(f"{report.read_bytes / 1e6:.1f} MB read{', nothing written' if dry_run else ''}")
    return "\n".join(lines)
