"""Options passed on to tritonserver: checks of arbitrary ones, and the named options of `vitrine serve`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vitrine_orchestrator.settings import BadSettings

_LOADS = "vitrine serve loads the models itself and reloads them when one dies"
_ADDRESSES = "the server listens on loopback, on the ports of --http-port, --grpc-port and --metrics-port"
_SPEAKS = "vitrine serve loads and watches the models over plain gRPC"
_LIBRARIES = "vitrine serve lays out the backends and caches of the installed wheel"
_CONFIGS = "the configs of the repository are complete; --profile chooses among them"

RESERVED: dict[str, str] = {
    "help": "this is vitrine serve --help",
    "model-repository": "--repository of vitrine serve sets it",
    "model-store": "--repository of vitrine serve sets it",
    "model-control-mode": _LOADS,
    "load-model": _LOADS,
    "repository-poll-secs": _LOADS,
    "exit-on-error": _LOADS,
    "model-namespacing": _LOADS,
    "model-config-name": "--profile of vitrine serve sets it",
    "disable-auto-complete-config": _CONFIGS,
    "strict-model-config": _CONFIGS,
    "backend-directory": _LIBRARIES,
    "cache-directory": _LIBRARIES,
    "repoagent-directory": _LIBRARIES,
    **dict.fromkeys(
        [
            *(f"{name}-{part}" for name in ("http", "grpc", "metrics") for part in ("address", "port")),
            "reuse-http-port",
            "reuse-grpc-port",
        ],
        _ADDRESSES,
    ),
    **dict.fromkeys(
        [
            "allow-http",
            "allow-grpc",
            "allow-metrics",
            "grpc-restricted-protocol",
            "grpc-use-ssl",
            "grpc-use-ssl-mutual",
        ],
        _SPEAKS,
    ),
    "exit-timeout-secs": "vitrine serve stops the server within a time of its own",
    "log-file": "--log of vitrine serve sets it",
}
"""Options of tritonserver that the embedded server sets itself, and why."""

# The server finds and removes its files in /dev/shm by this prefix.
_OWN_PREFIX = ("backend-config", "python,shm-region-prefix-name=")


def check_options(options: Iterable[str]) -> tuple[str, ...]:
    """The options unchanged; BadSettings for one that the embedded server sets itself, with the reason."""
    words = tuple(options)
    takes_value = False
    for word in words:
        if not word.startswith("--") and not takes_value:
            raise BadSettings(f"an option for tritonserver must begin with --, got {word!r}")
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            _check(name, value)
            takes_value = not equals
        else:
            takes_value = False
    return words


def _check(name: str, value: str) -> None:
    # tritonserver accepts any prefix of an option's name
    reserved = next((one for one in RESERVED if name and one.startswith(name)), None)
    if reserved is not None:
        raise BadSettings(f"--{name} cannot be passed on to tritonserver: {RESERVED[reserved]}")
    if name == _OWN_PREFIX[0] and value.startswith(_OWN_PREFIX[1]):
        raise BadSettings(
            f"--{name}={_OWN_PREFIX[1]}… cannot be passed on: vitrine serve removes files with this prefix"
        )


def add_named(parser: argparse.ArgumentParser) -> None:
    """Add the most used options of tritonserver, and `-- OPTION …` for all others."""
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write Triton's trace of requests to FILE")
    parser.add_argument(
        "--trace-rate", type=_count, default=1, metavar="N", help="trace one request in N (default 1: all)"
    )
    parser.add_argument(
        "--keepalive",
        type=_seconds,
        metavar="SECONDS",
        help="ping quiet gRPC clients this often, so that no router drops the connection (default: 2 hours)",
    )
    parser.add_argument(
        "--http-threads", type=_count, metavar="N", help="HTTP requests read at the same time (default 8)"
    )
    parser.add_argument(
        "--log-verbose", type=_count, metavar="N", help="detail of Triton's log (default: none)"
    )
    parser.add_argument(
        "triton_options",
        nargs="*",
        metavar="-- OPTION",
        help="everything after -- goes to tritonserver as it is, such as -- --log-format=ISO8601",
    )


def named(args: argparse.Namespace) -> Iterator[str]:
    """The options of tritonserver for the named options in `args`."""
    if args.trace is not None:
        file = args.trace.resolve()
        if not file.parent.is_dir():
            raise BadSettings(f"--trace must be a file in a folder that exists, got {args.trace}")
        yield from (
            f"--trace-config=triton,file={file}",
            f"--trace-config=rate={args.trace_rate}",
            "--trace-config=level=TIMESTAMPS",
        )
    if args.keepalive is not None:
        yield f"--grpc-keepalive-time={round(args.keepalive * 1000)}"
    if args.http_threads is not None:
        yield f"--http-thread-count={args.http_threads}"
    if args.log_verbose is not None:
        yield f"--log-verbose={args.log_verbose}"


def options_of(args: argparse.Namespace) -> Sequence[str]:
    """All options for tritonserver of a command line, checked."""
    return check_options([*named(args), *args.triton_options])


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 86_400.0:
        raise argparse.ArgumentTypeError(f"must be 1 to 86400 seconds, got {text!r}")
    return seconds
