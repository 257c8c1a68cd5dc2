"""Follows the stream of one request to its end, with a progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from tqdm import tqdm

from vitrine.answers import Progress
from vitrine.endpoint import read_endpoint
from vitrine.errors import VitrineError

Result = TypeVar("Result")


def has_streams(args: argparse.Namespace) -> bool:
    """Return whether the protocol has streams: Triton's are over gRPC only. BadRequest for another URL."""
    return read_endpoint(args.url, protocol=args.protocol).protocol == "grpc"


def quiet(args: argparse.Namespace) -> bool | None:
    """tqdm's `disable`: None shows a bar on a terminal only."""
    return True if args.json else None


def followed(
    events: Generator[Progress | Result, None, None],
    args: argparse.Namespace,
    *,
    unit: str,
    named: bool = False,
) -> Result:
    """Return the result that ends a stream; a bar counts the steps and, with `named`, names the stage.

    Raises VitrineError if the stream ends without a result.
    """
    with closing(events), tqdm(unit=unit, disable=quiet(args)) as bar:
        for event in events:
            if not isinstance(event, Progress):
                return event
            bar.total = event.steps
            if named:
                bar.set_description(event.stage, refresh=False)
            bar.update(event.step - bar.n)
    raise VitrineError("the stream ended before its result")
