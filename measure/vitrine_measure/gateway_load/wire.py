"""A small HTTP client for many connections: it costs less than what it measures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any


class Connection:
    """One kept connection to a gateway."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        status, length, reader = await self._ask(method, path, body, headers or {})
        content = await reader.readexactly(length)
        return status, json.loads(content or b"null")

    async def events(self, path: str) -> AsyncIterator[str]:
        """Yield the kinds of a stream's events until it ends."""
        _, _, reader = await self._ask("GET", path, None, {})
        while line := await reader.readline():
            if line.startswith(b"event: "):
                yield line[7:].decode().strip()
            if line == b"0\r\n":
                return

    async def _ask(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[int, int, asyncio.StreamReader]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n"
        )
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        self._writer.write(head.encode() + content)
        told = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = told.partition("content-length: ")[2].partition("\r\n")[0]
        return int(told.split(" ", 2)[1]), int(length or 0), self._reader

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
