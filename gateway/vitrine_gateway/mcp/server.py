"""The MCP server: its tools, and the two ways to reach it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from vitrine import VitrineError

from vitrine_gateway.access import base_of, identify, key_of
from vitrine_gateway.errors import kind_of, told_fault
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.mcp.stdin import open_stdin
from vitrine_gateway.mcp.tools import Tools
from vitrine_gateway.mcp.visits import Ctx, FindVisit, Visit

INSTRUCTIONS = (
    "Makes advertising pictures. generate_ad_image answers with the picture, or with the id of a job that "
    "check_generation_status asks for and stop_generation cancels."
)


@dataclass(frozen=True)
class Hints:
    """What a tool's client may assume of it."""

    tool: str
    title: str
    reads_only: bool = True


TOOLS = (
    Hints("generate_ad_image", "Make an advertising picture", reads_only=False),
    Hints("check_generation_status", "State of a job"),
    Hints("analyze_image", "Describe a picture"),
    Hints("calculate_clip_score", "Score a picture against a sentence"),
    Hints("list_fonts", "Fonts for text on pictures"),
    Hints("generate_homepage", "Write a homepage", reads_only=False),
    Hints("get_system_status", "State of the service"),
    Hints("stop_generation", "Cancel a job", reads_only=False),
)


class VitrineMCP(MCPServer[Any]):
    """An MCP server whose tools raise the gateway's errors; the SDK alone would hide their texts.

    An argument that a tool does not have is refused: the SDK alone would leave it out.
    """

    def __init__(self, tools: list[Tool]) -> None:
        for tool in tools:
            tool.parameters["additionalProperties"] = False
        self._arguments = {tool.name: list(tool.parameters.get("properties", ())) for tool in tools}
        super().__init__(
            "vitrine", title="Vitrine", instructions=INSTRUCTIONS, version=version("vitrine"), tools=tools
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Ctx | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises ToolError with the problem's code and text."""
        known = self._arguments.get(name)
        if known is not None and (unknown := [one for one in arguments if one not in known]):
            raise ToolError(f"invalid: {_unknown(unknown[0], known)}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, VitrineError):
                raise ToolError(f"{kind_of(cause).code}: {cause}") from cause
            if isinstance(cause, ValidationError):
                raise ToolError(f"invalid: {told_fault(cause, 'the arguments')}") from cause
            raise

    async def run_stdio_async(self) -> None:
        """Serve over stdin and stdout until stdin ends or the task is cancelled."""
        server = self._lowlevel_server
        async with stdio_server(stdin=open_stdin()) as (read, write):
            await server.run(read, write, server.create_initialization_options())


def _unknown(name: str, known: list[str]) -> str:
    """Return what is told of an argument that a tool does not have."""
    close = get_close_matches(name.lower(), known, 1)
    if close:
        return f"{name[:60]}: there is no such argument; did you mean {close[0]}?"
    return f"{name[:60]}: there is no such argument; known: {', '.join(known) or 'none'}"


def make_server(find_visit: FindVisit) -> VitrineMCP:
    """Return a server with all tools."""
    tools = Tools(find_visit)
    return VitrineMCP(
        [
            Tool.from_function(
                getattr(tools, row.tool),
                title=row.title,
                annotations=ToolAnnotations(
                    read_only_hint=row.reads_only, destructive_hint=False, open_world_hint=False
                ),
            )
            for row in TOOLS
        ]
    )


class McpOverHttp:
    """MCP's streamable HTTP as an ASGI application. Every call needs an API key, as a bearer token.

    It keeps no sessions, so that any process behind a proxy can answer any call. Host and Origin are not
    compared with a list: a page of another site has no key.
    """

    def __init__(self) -> None:
        server = make_server(_visit_over_http)
        server.streamable_http_app(
            stateless_http=True,
            max_request_body_size=sys.maxsize,  # the application's own limit tells how large it may be
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._manager = server.session_manager
        self.ready = asyncio.Event()
        self.route = Route("/mcp", self)

    async def run(self) -> None:
        """Serve until the task is cancelled; can be called once."""
        async with self._manager.run():
            self.ready.set()
            await asyncio.Event().wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises Unauthorized and Forbidden, which the application answers."""
        scope["route"] = self.route  # for the log and the metrics; FastAPI's own routes do so
        connection = HTTPConnection(scope)
        caller = await identify(connection.app.state.gateway, key_of(connection))
        caller.needs("jobs")
        connection.state.caller = caller
        await self._manager.handle_request(scope, receive, send)


async def _visit_over_http(ctx: Ctx) -> Visit:
    request = ctx.request_context.request
    assert isinstance(request, Request), "the transport gives it"
    return Visit(request.app.state.gateway, request.state.caller, base_of(request))


async def serve_stdio(gateway: Gateway) -> None:
    """Serve over stdin and stdout until stdin ends. The setting `key` says who calls; raises Unauthorized."""
    settings = gateway.settings

    async def visit(ctx: Ctx | None) -> Visit:
        caller = await identify(gateway, settings.key or None)
        caller.needs("jobs")
        return Visit(gateway, caller, settings.base_url)

    await visit(None)  # a wrong key is told at the start
    await make_server(visit).run_stdio_async()
