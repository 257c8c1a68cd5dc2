"""The arguments of every subcommand that calls a server."""

from __future__ import annotations

import argparse

from vitrine.client import DEFAULT_TIMEOUT_S, Vitrine
from vitrine.transport import DEFAULT_URL, PROTOCOLS


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add --url, --protocol, --header and --timeout."""
    group = parser.add_argument_group("server")
    group.add_argument(
        "--url", default=DEFAULT_URL, help="server: host:port, grpc://… or http://… (default: %(default)s)"
    )
    group.add_argument(
        "--protocol", choices=PROTOCOLS, help="protocol of a --url without a scheme (default: grpc)"
    )
    group.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME: VALUE",
        help="header of every request; may be repeated",
    )
    group.add_argument(
        "--timeout",
        dest="timeout_s",
        type=_positive,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="time limit of each request in seconds (default: %(default)g)",
    )


def open_client(args: argparse.Namespace) -> Vitrine:
    """Return the client of these arguments, pinned to `args.release` if the command has --release."""
    return Vitrine(
        args.url,
        protocol=args.protocol,
        headers=dict(args.header),
        timeout_s=args.timeout_s,
        release=vars(args).get("release"),
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"a header must be NAME: VALUE, got {text!r}")
    return name.strip().lower(), value.strip()  # gRPC refuses upper-case names


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0 s, got {text!r}")
    return value
