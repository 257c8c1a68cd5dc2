"""Who calls a tool, and where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import Context

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.gateway import Gateway


@dataclass(frozen=True)
class Visit:
    """One call of a tool."""

    gateway: Gateway
    caller: Caller
    base: str  # the address of the gateway as the caller sees it


Ctx = Context[Any, Any]
FindVisit = Callable[[Ctx], Awaitable[Visit]]
"""Finds the visit of a call. Raises Unauthorized and Forbidden."""
