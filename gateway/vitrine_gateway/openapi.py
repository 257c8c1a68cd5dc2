"""The OpenAPI of the gateway: what FastAPI writes, with every error, who needs a key, and exact numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from vitrine_gateway.access import caller, old_caller
from vitrine_gateway.errors import INVALID, KINDS
from vitrine_gateway.problems import MEDIA_TYPE

NOT_SERVED = "not served yet"
"""The tag of routes that answer 501 alone."""
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "code", "request_id")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key: vt_live_…"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same"},
}


def add_openapi(app: FastAPI) -> None:
    """Let the application describe itself by `openapi_of`, written once."""

    def described() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = openapi_of(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI of all routes."""
    written = get_openapi(title=app.title, version=app.version, routes=app.routes)
    parts = written.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["securitySchemes"] = SCHEMES
    keyed = {
        (route.path_format, method.lower()): needs_key(route.dependant)
        for route in iter_route_contexts(app.routes)
        if isinstance(getattr(route, "dependant", None), Dependant)
        for method in route.methods or ()
    }
    for path, operations in written["paths"].items():
        for method, operation in operations.items():
            operation["responses"] |= errors_of(path)
            if keyed.get((path, method)):
                operation["security"] = [{name: []} for name in SCHEMES]
            if NOT_SERVED in operation.get("tags", ()):
                operation["responses"].pop("200")
    for schema in _objects(written):
        for name in LIMITS:
            if isinstance(schema.get(name), float) and schema[name].is_integer():
                schema[name] = int(schema[name])  # 2**64 as a float is rounded by those who read it
    return written


def errors_of(path: str) -> dict[str, Any]:
    """Return the error answers of a route by status; an old service's route has its own form for some."""
    titles: defaultdict[int, list[str]] = defaultdict(list)
    for kind in (*KINDS.values(), INVALID):
        titles[kind.status].append(kind.title)
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    ours = path.startswith("/v1/") and not path.startswith(("/v1/images", "/v1/run", "/v1/status"))
    content = problem if ours else {**problem, "application/json": {"schema": {"type": "object"}}}
    return {
        str(status): {"description": "; ".join(several), "content": content}
        for status, several in sorted(titles.items())
    }


def needs_key(dependant: Dependant) -> bool:
    """Whether a route asks who calls."""
    return dependant.call in (caller, old_caller) or any(map(needs_key, dependant.dependencies))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON value."""
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _objects(child)
