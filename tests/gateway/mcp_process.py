"""`vitrine gateway mcp` with the client's fake in place of a server, for tests of stdin and stdout."""

import sys

from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine.command import main
from vitrine_gateway import command

command.connect = lambda settings: AsyncVitrine(transport=AsyncFakeTransport())
sys.exit(main(["gateway", "mcp"]))
