"""MCP: the tools of the old ad server, over streamable HTTP and over stdin and stdout."""
