"""Judges: a service over HTTP, or a function of the operator's own package.

The address is the operator's, as that of the database is: it may be plain http and in the private network.
Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx2
from vitrine.errors import Unavailable

from vitrine_gateway.errors import BadSettings

Stage = Literal["before", "after"]


@dataclass(frozen=True)
class Case:
    """What is judged: a job's request before it runs, or its picture after."""

    stage: Stage
    pipeline: str
    options: Mapping[str, Any]
    pictures: tuple[tuple[str, bytes], ...]  # the input's name ("result" after), and the encoded picture


class Judge(Protocol):
    """Judges cases."""

    async def refusal(self, case: Case) -> str | None:
        """Return why the case is refused, or None. Raises Unavailable if it cannot be judged."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class OverHttp:
    """A service that answers {"allowed": true} or {"allowed": false, "reason": "…"}."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._http = httpx2.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)

    async def refusal(self, case: Case) -> str | None:
        """See Judge."""
        pictures = [{"name": name, "content": base64.b64encode(one).decode()} for name, one in case.pictures]
        body = {"stage": case.stage, "pipeline": case.pipeline, "options": dict(case.options)}
        try:
            answer = await self._http.post(self._url, json=body | {"pictures": pictures})
            told = answer.json() if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError) as error:
            raise Unavailable(f"moderation does not answer: {type(error).__name__}") from error
        if not isinstance(told, dict) or not isinstance(told.get("allowed"), bool):
            raise Unavailable(f"moderation answered {answer.status_code} without `allowed`")
        return None if told["allowed"] else str(told.get("reason") or "it is not allowed")

    async def close(self) -> None:
        """See Judge."""
        await self._http.aclose()


class Function:
    """A function of a Case, plain or asynchronous, that returns why it is refused; None or "" allows it."""

    def __init__(self, name: str) -> None:
        """`name` is "module:function"; raises BadSettings if there is none."""
        module, _, function = name.partition(":")
        try:
            self._function: Callable[[Case], Any] = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise BadSettings(f"GATEWAY_MODERATION names no function: {name!r}: {error}") from error

    async def refusal(self, case: Case) -> str | None:
        """See Judge."""
        try:
            if inspect.iscoroutinefunction(self._function):
                told = await self._function(case)
            else:
                told = await asyncio.to_thread(self._function, case)
        except Exception as error:
            raise Unavailable(f"moderation failed: {type(error).__name__}") from error
        return str(told) if told else None

    async def close(self) -> None:
        """See Judge."""


def open_judge(name: str, timeout_s: float) -> Judge:
    """Return the judge at an address, or the function "module:function". Raises BadSettings."""
    if name.startswith(("http://", "https://")):
        return OverHttp(name, timeout_s)
    return Function(name)
