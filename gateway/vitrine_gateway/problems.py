"""Turns errors into answers of application/problem+json, in one place."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from vitrine.errors import BadRequest, NotFound, Unavailable, VitrineError

from vitrine_gateway.errors import (
    INVALID,
    Kind,
    Unauthorized,
    kind_of,
    place_of,
    problem,
    problem_of,
    rule_of,
)

log = structlog.get_logger("vitrine_gateway.http")
MEDIA_TYPE = "application/problem+json"
NOTHING_LEFT = 204
"""The status of a stream that was told to its end before: clients of EventSource then stop reconnecting."""
_LEFT = 499  # nginx's word for a caller that closed the connection, in logs and metrics
_METHOD = Kind("method_not_allowed", 405, "The route does not know this method")


def add_handlers(app: FastAPI) -> None:
    """Let the application answer every error as a problem."""
    app.add_exception_handler(VitrineError, _vitrine_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(ValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]
    app.add_exception_handler(SQLAlchemyError, _database_error)  # type: ignore[arg-type]
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _unforeseen)


def request_id(request: Request) -> str | None:
    """Return the id of the request."""
    return getattr(request.state, "request_id", None)


def retry_after(error: VitrineError) -> dict[str, str]:
    """Return the header Retry-After of errors that pass."""
    seconds = getattr(error, "retry_after_s", None) or kind_of(error).retry_after_s
    return {"Retry-After": str(seconds)} if seconds else {}


async def _vitrine_error(request: Request, error: VitrineError) -> JSONResponse:
    kind = kind_of(error)
    headers = retry_after(error)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if kind.status >= 500:
        log.warning("request failed", error=str(error), code=kind.code)
    return JSONResponse(problem_of(error, request_id(request)), kind.status, headers, media_type=MEDIA_TYPE)


async def _invalid(request: Request, error: RequestValidationError | ValidationError) -> JSONResponse:
    errors = [{"pointer": "/" + "/".join(place_of(one)), "detail": rule_of(one)} for one in error.errors()]
    first = errors[0] if errors else {"pointer": "/", "detail": "unknown"}
    body = problem(INVALID, f"{first['pointer']}: {first['detail']}", request_id(request), errors)
    return JSONResponse(body, INVALID.status, media_type=MEDIA_TYPE)


async def _http_error(request: Request, error: HTTPException) -> Response:
    """Errors of the framework: unknown routes and methods, forms that cannot be read; NOTHING_LEFT."""
    if error.status_code == NOTHING_LEFT:
        return Response(status_code=NOTHING_LEFT)
    kind = {404: kind_of(NotFound()), 405: _METHOD}.get(error.status_code, kind_of(BadRequest()))
    body = problem(kind, str(error.detail), request_id(request))
    headers = {"Allow": ", ".join(_methods(request))} if kind is _METHOD else error.headers
    return JSONResponse(body, kind.status, headers, media_type=MEDIA_TYPE)


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes of a path; the framework's own header has those of the first one.

    Of two paths that fit, that with fewer parameters is meant, as OpenAPI says: "seen" is no id.
    """
    every = iter_route_contexts(request.app.routes)
    routes = [one for one in every if one.matches(request.scope)[0] is not Match.NONE]
    fewest = min((str(one.path).count("{") for one in routes), default=0)
    meant = [one for one in routes if str(one.path).count("{") == fewest]
    return sorted({method for one in meant for method in getattr(one, "methods", None) or ()})


async def _database_error(request: Request, error: SQLAlchemyError) -> JSONResponse:
    return await _vitrine_error(request, of_database(error))


def of_database(error: SQLAlchemyError) -> VitrineError:
    """Return what callers are told of the database's error, and log it if it is ours.

    A text that no database keeps (a NUL in a path) is the caller's; a database that is away is not.
    """
    if isinstance(error, DataError):
        return BadRequest("the request holds text that cannot be kept")
    log.error("the database failed", exc_info=error)
    return Unavailable("the database does not answer")


async def _left(request: Request, error: Exception) -> Response:
    """A caller that went away while its body was read is no error of the gateway; nobody gets this answer."""
    return Response(status_code=_LEFT)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error)
    told = VitrineError("the gateway failed; its log has the request's id")
    return await _vitrine_error(request, told)
