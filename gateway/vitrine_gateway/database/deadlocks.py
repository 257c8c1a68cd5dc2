"""Repeats what PostgreSQL has rolled back to end a deadlock of two transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

DEADLOCK = "40P01"  # PostgreSQL's code
MOST = 5  # after which the next one is an error

Value = TypeVar("Value")


async def despite_deadlocks(work: Callable[[], Awaitable[Value]]) -> Value:
    """Return what `work` returns; it is begun again when PostgreSQL has rolled it back to end a deadlock."""
    for _ in range(MOST):
        try:
            return await work()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
    return await work()
