"""The try-ons of one `try_on_many`: the options of each, and their work in threads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

import numpy as np

from vitrine.answers import Fitting, TryOn
from vitrine.cancellation import Cancellation
from vitrine.errors import BadRequest, VitrineError
from vitrine.pictures import Picture, encode_picture

PER_GARMENT = ("category", "description", "seed", "mask", "garment_photo_type")
"""Options that may be a list in try_on_many."""


def read_at_once(at_once: int) -> int:
    """Return how many try-ons run at once; BadRequest unless it is a whole number from 1."""
    if isinstance(at_once, bool) or not isinstance(at_once, int | np.integer) or at_once < 1:
        raise BadRequest(f"at_once must be at least 1, got {at_once!r}")
    return int(at_once)


def options_for_each(garments: Sequence[Picture], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the options of each try-on of `try_on_many`: try-on i gets item i of a list in PER_GARMENT."""
    if "garment" in options or "garment_id" in options:
        raise BadRequest("try_on_many takes its garments in `garments`")
    one = isinstance(garments, str | bytes | bytearray | memoryview | Mapping)
    if one or not isinstance(garments, Iterable):
        raise BadRequest(f"garments must be a list of pictures, got {type(garments).__name__}")
    each: list[dict[str, Any]] = [dict(options, garment=garment) for garment in garments]
    if options.get("person") is not None:
        person = encode_picture(options["person"], "person")  # encoded once for all garments
        each = [dict(one, person=person) for one in each]
    for name in PER_GARMENT:
        values = options.get(name)
        if isinstance(values, list | tuple):
            if len(values) != len(each):
                raise BadRequest(f"{name} must be one for each of {len(each)} garments, got {len(values)}")
            each = [dict(one, **{name: value}) for one, value in zip(each, values, strict=True)]
    return each


def fittings(
    try_on: Callable[..., TryOn], each: Sequence[Mapping[str, Any]], at_once: int
) -> Generator[Fitting, None, None]:
    """Yield the Fitting of each try-on when it is done; closing the iterator cancels the unfinished ones.

    `try_on` takes the options of one try-on and `cancellation`. At most `at_once` run concurrently.
    """
    cancellation = Cancellation()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="vitrine-try-on")

    def fit(index: int) -> Fitting:
        garment = each[index]["garment"]
        try:
            result = try_on(cancellation=cancellation, **each[index])
        except VitrineError as error:
            return Fitting(index, garment, None, error)
        return Fitting(index, garment, result)

    left, running = iter(range(len(each))), set[Future[Fitting]]()
    try:
        while True:
            # only so many: when a program ends, the interpreter waits for all that a pool was given
            while len(running) < at_once and (index := next(left, None)) is not None:
                running.add(pool.submit(copy_context().run, fit, index))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    finally:
        cancellation.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
