"""The actions of `vitrine gateway`: each has help, examples and options of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vitrine_gateway.accounts.keys import SCOPES

SERVE = "serve"
"""The action of `vitrine gateway` alone."""
_SETTINGS = "Settings are environment variables; docs/gateway.md lists them."


@dataclass(frozen=True)
class Action:
    """One action: its name, one line of help, the text below its help, and what adds its options."""

    name: str
    help: str
    examples: str
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take the name of an action and that action's options; without a name it is SERVE."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    for row in ACTIONS:
        one = actions.add_parser(
            row.name,
            help=row.help,
            description=row.help,
            epilog=row.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        row.add_options(one)
        one.set_defaults(parser=one)  # mistakes are told with this action's usage
    parser.set_defaults(action=SERVE)


def _key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", required=True, help="name of the account; made if there is none")
    parser.add_argument("--credits", type=int, default=0, help="credits that the account gets (default: 0)")
    parser.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="what the key may do; may be repeated (default: everything)",
    )
    parser.add_argument("--days", type=float, help="days for which the key is valid (default: for ever)")


def _revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key", required=True, metavar="ID", help="the id in the middle of a key: vt_live_ID_…"
    )


def _credits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", required=True, help="name of the account")
    parser.add_argument("--add", type=int, default=0, help="credits to add; negative to take away")


def _migrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--revision", default="head", help="revision of the tables; -1 for one back (default: the newest)"
    )


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="file to write")
    parser.add_argument("--replace", action="store_true", help="overwrite the file")


def _restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="file that holds a backup")
    parser.add_argument("--replace", action="store_true", help="overwrite the accounts that are there")


ACTIONS = (
    Action(
        SERVE,
        "serve HTTP and run jobs, until Ctrl-C",
        f"""\
examples:
  vitrine gateway                               on http://127.0.0.1:8080
  GATEWAY_PORT=9000 vitrine gateway             on another port
  GATEWAY_TRITON=gpu-1:8001 vitrine gateway     in front of a server on another machine

{_SETTINGS}""",
    ),
    Action(
        "worker",
        "run jobs in one more process",
        f"""\
examples:
  GATEWAY_DATABASE=postgresql://vitrine@db/vitrine GATEWAY_PICTURES=s3://shop vitrine gateway worker

All processes must share the database and the store of pictures. {_SETTINGS}""",
    ),
    Action(
        "mcp",
        "serve MCP over stdin and stdout, and run jobs",
        f"""\
examples:
  GATEWAY_KEY=vt_live_… vitrine gateway mcp
  GATEWAY_KEY=vt_live_… GATEWAY_WORKERS=0 vitrine gateway mcp     leave the jobs to a running gateway

{_SETTINGS}""",
    ),
    Action(
        "bullmq",
        "serve a queue of BullMQ in a Redis, and run jobs",
        f"""\
examples:
  GATEWAY_OLD_ACCOUNT=shop vitrine gateway bullmq               the queue vto-queue of redis://localhost:6379
  GATEWAY_KEY=vt_live_… GATEWAY_QUEUE=fits vitrine gateway bullmq

It needs pip install 'vitrine[bullmq]'. {_SETTINGS}""",
    ),
    Action(
        "key",
        "make a key and print it once; make the account if there is none",
        """\
examples:
  vitrine gateway key --account shop --credits 100
  vitrine gateway key --account shop --scope jobs --days 30     for jobs alone, for 30 days""",
        _key,
    ),
    Action(
        "revoke",
        "end a key at once",
        """\
examples:
  vitrine gateway revoke --key 5f0c2b1d     for the key vt_live_5f0c2b1d_…""",
        _revoke,
    ),
    Action(
        "credits",
        "add credits to an account; print its balance and its secret of webhooks",
        """\
examples:
  vitrine gateway credits --account shop              print
  vitrine gateway credits --account shop --add 50     add 50
  vitrine gateway credits --account shop --add -5     take 5 away""",
        _credits,
    ),
    Action(
        "migrate",
        "bring the database to its newest form; `serve` does so at its start",
        """\
examples:
  vitrine gateway migrate
  vitrine gateway migrate --revision -1     one revision back""",
        _migrate,
    ),
    Action(
        "backup",
        "save the database in a file while the gateway serves",
        """\
examples:
  vitrine gateway backup --file shop.backup

The pictures are not in the file: copy their folder or bucket after this.""",
        _backup,
    ),
    Action(
        "restore",
        "bring the database back from a file; no gateway may run",
        """\
examples:
  vitrine gateway restore --file shop.backup               into an empty database
  vitrine gateway restore --file shop.backup --replace     over the accounts that are there""",
        _restore,
    ),
)
