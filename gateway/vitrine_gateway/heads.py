"""HEAD, which answers with the headers of GET. The HTTP server leaves the body out."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.routing import BaseRoute


def heads_of(routes: Iterable[BaseRoute]) -> list[APIRoute]:
    """Return a route of HEAD for each route of GET, but for streams of events, which have no end to wait for.

    They are routes of their own, because each method of a route is in the OpenAPI.
    """
    return [
        _head(route)
        for route in routes
        if isinstance(route, APIRoute)
        and "GET" in (route.methods or ())
        and route.response_class is not EventSourceResponse
    ]


def _head(route: APIRoute) -> APIRoute:
    head = copy(route)
    head.methods, head.include_in_schema = {"HEAD"}, False
    return head
