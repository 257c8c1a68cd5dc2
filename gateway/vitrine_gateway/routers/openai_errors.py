"""Errors in OpenAI's form, with the types, codes and statuses that its clients know."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from vitrine.errors import VitrineError

from vitrine_gateway.errors import (
    ContentRejected,
    NoCredit,
    NotAPicture,
    RateLimited,
    TooMany,
    Unauthorized,
    first_fault,
    kind_of,
    told_fault,
)
from vitrine_gateway.problems import retry_after
from vitrine_gateway.routers.other_forms import Refusal

CODES: dict[type[VitrineError], tuple[int, str, str]] = {  # status, type and code of OpenAI
    Unauthorized: (401, "invalid_request_error", "invalid_api_key"),
    NoCredit: (429, "insufficient_quota", "insufficient_quota"),
    RateLimited: (429, "rate_limit_error", "rate_limit_exceeded"),
    ContentRejected: (400, "invalid_request_error", "content_policy_violation"),
    TooMany: (429, "rate_limit_error", "rate_limit_exceeded"),
    NotAPicture: (400, "invalid_request_error", "not_a_picture"),
}


def told(error: Refusal) -> JSONResponse:
    """Return the answer of an error."""
    if not isinstance(error, VitrineError):
        name = first_fault(error)[0].rpartition(".")[2] or None
        return _error(400, "invalid_request_error", "invalid_value", told_fault(error), name)
    kind = kind_of(error)
    named = next((CODES[base] for base in type(error).__mro__ if base in CODES), None)
    status, word, code = named or (
        kind.status,
        "invalid_request_error" if kind.status < 500 else "server_error",
        kind.code,
    )
    answer = _error(status, word, code, str(error))
    answer.headers.update(retry_after(error))
    if status == 409 or isinstance(error, NoCredit):  # the package would try both again, and pay again
        answer.headers["x-should-retry"] = "false"
    return answer


def _error(status: int, word: str, code: str, message: str, param: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": word, "param": param, "code": code}}, status)
