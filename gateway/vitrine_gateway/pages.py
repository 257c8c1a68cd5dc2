"""Pages of lists: an opaque cursor holds the place of the last row, so that new rows move nothing."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute
from vitrine.errors import BadRequest

MOST = 100


def cursor_of(created_at: float, identity: str) -> str:
    """Return the cursor after a row."""
    return base64.urlsafe_b64encode(json.dumps([created_at, identity]).encode()).decode()


def after(
    cursor: str | None, created_at: InstrumentedAttribute[float], identity: InstrumentedAttribute[Any]
) -> list[ColumnElement[bool]]:
    """Return the condition for the rows after a cursor, newest first; BadRequest for a cursor not of ours."""
    if not cursor:
        return []
    try:
        at, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        at, last = float(at), str(last)
        last.encode()  # raises for half of a character, which no database takes
        if not math.isfinite(at):
            raise ValueError("no time is NaN or infinite")
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRequest("cursor must be the next_cursor of the page before") from error
    return [or_(created_at < at, and_(created_at == at, identity < last))]


def page(rows: list[Any], views: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Return a page of views; `rows` may hold one more than `limit`, which says that there is a next page."""
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    next_cursor = cursor_of(last.created_at, last.id) if last is not None else None
    return {"data": views[:limit], "next_cursor": next_cursor}
