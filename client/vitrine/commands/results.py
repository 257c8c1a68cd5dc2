"""`vitrine results`: the finished pictures in an object store."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from vitrine.commands.models import table
from vitrine.commands.pictures_out import save
from vitrine.errors import NotFound, Unavailable, one_line
from vitrine.shelf import Shelf
from vitrine.stores import open_store

HELP = "list, show, hide and delete finished pictures in an object store"
EXAMPLES = """\
examples:
  vitrine results --store s3://pictures list ada                 ada's pictures, the newest first
  vitrine results --store s3://pictures show ada KEY -o ada.png  how one was made, and the picture itself
  vitrine results --store s3://pictures hide ada KEY             leave it out of lists (--undo: bring it back)
  vitrine results --store s3://pictures purge ada [KEY] --yes    delete one, or all of ada's for good

Credentials are found as boto3 finds them; --endpoint is for S3-compatible stores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--store", required=True, metavar="URL", help="result store: s3://bucket or s3://bucket/prefix"
    )
    parser.add_argument("--endpoint", metavar="URL", help="address of an S3-compatible store")
    parser.add_argument(
        "--region", help="region of the store (default: as the environment and the profile of AWS say)"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    one = _action(actions, "list", _list, "a user's pictures, the newest first")
    one.add_argument("--all", action="store_true", help="list hidden results too")
    one.add_argument("--json", action="store_true", help="print one JSON list instead of a table")
    one = _action(actions, "show", _show, "how a picture was made", key=True)
    one.add_argument("-o", "--out", type=Path, metavar="FILE", help="PNG file to write")
    one = _action(actions, "hide", _hide, "leave a picture out of lists", key=True)
    one.add_argument("--undo", action="store_true", help="show the result again")
    one = _action(actions, "purge", _purge, "delete a picture, or all of a user's")
    one.add_argument("key", metavar="KEY", nargs="?", help="delete only this result")
    one.add_argument(
        "--yes", action="store_true", help="delete; without it, only print what would be deleted"
    )


def run(args: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code."""
    try:
        return args.act(open_shelf(args), args)
    except ImportError as error:
        raise Unavailable(f"{one_line(error)}; pip install 'vitrine[results]' brings it") from error


def open_shelf(args: argparse.Namespace) -> Shelf:
    """Return the shelf of these arguments."""
    return Shelf(open_store(args.store, endpoint=args.endpoint, region=args.region))


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[Shelf, argparse.Namespace], int],
    text: str,
    key: bool = False,
) -> argparse.ArgumentParser:
    one = actions.add_parser(name, help=text, description=text)
    one.add_argument("user", metavar="USER", help="name of the user, as given when the picture was made")
    if key:
        one.add_argument("key", metavar="KEY", help="64 hexadecimal digits, as `list` shows them")
    one.set_defaults(act=act)
    return one


def _list(shelf: Shelf, args: argparse.Namespace) -> int:
    entries = shelf.entries(user=args.user, hidden=args.all)
    if args.json:
        listed = [asdict(entry) | {"modified": entry.modified.isoformat()} for entry in entries]
        print(json.dumps(listed, indent=2))
        return 0
    rows = [
        (entry.key, f"{entry.modified:%Y-%m-%d %H:%M}", "hidden" if entry.hidden else "", str(entry.size))
        for entry in entries
    ]
    print(table([("key", "modified (UTC)", "", "bytes"), *rows]))
    return 0


def _show(shelf: Shelf, args: argparse.Namespace) -> int:
    found = shelf.find(user=args.user, key=args.key)
    if found is None:
        raise NotFound(f"no result {args.key} of this user")
    if args.out:
        save(found.encoded, args.out)
    print(json.dumps(dict(found.story), indent=2))
    return 0


def _hide(shelf: Shelf, args: argparse.Namespace) -> int:
    shelf.hide(user=args.user, key=args.key, hidden=not args.undo)
    return 0


def _purge(shelf: Shelf, args: argparse.Namespace) -> int:
    if args.yes:
        print(f"deleted {shelf.purge(user=args.user, key=args.key)} picture(s)")
        return 0
    kept = shelf.entries(user=args.user, hidden=True)
    count = sum(args.key in (None, entry.key) for entry in kept)
    print(f"would delete {count} picture(s); add --yes to do it")
    return 0
