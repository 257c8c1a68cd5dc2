"""`vitrine gateway mcp`, or another action, with the client's fake in place of a server."""

import sys

from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine.command import main
from vitrine_gateway import command

command.connect = lambda settings: AsyncVitrine(transport=AsyncFakeTransport())
sys.exit(main(["gateway", *(sys.argv[1:] or ["mcp"])]))
