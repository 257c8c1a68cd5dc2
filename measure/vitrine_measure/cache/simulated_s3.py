"""Simulates an S3 server on loopback, in memory: with the speed of a real one for benchmarks, or with faults.

It supports what the cache uses (get with Range and If-Match, put, multipart put, delete, list) and checks no
signature. `pace` imitates a store: seconds to the first byte, and bytes per second of one connection.

`python -m vitrine_measure.cache.simulated_s3 FIRST_BYTE_S BYTES_PER_S` prints its address and serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_CHUNK = 256 * 1024
_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content"}


@dataclass(frozen=True)
class Pace:
    """The speed of a store: seconds to the first byte, and bytes per second of each connection."""

    first_byte_s: float = 0.0
    bytes_per_s: float = float("inf")


@dataclass
class Request:
    """One request: path without the bucket, query and lower-case headers."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Response:
    """One response; a fault may change it before it is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class CutOff(Exception):
    """Raised by a fault: the connection is closed without a response."""


# May change the response, wait, write to the connection itself, or raise CutOff.
Fault = Callable[[Request, Response, asyncio.StreamWriter], Awaitable[None]]


class SimulatedS3:
    """One bucket under any name. `async with` starts it; `endpoint` is its URL."""

    def __init__(self, pace: Pace | None = None, fault: Fault | None = None) -> None:
        self.pace, self.fault = pace or Pace(), fault
        self.objects: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self._tags: dict[str, tuple[bytes, str]] = {}
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> SimulatedS3:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.endpoint = "http://{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := await _read_request(reader):
                await self._serve(request, writer)
        except (CutOff, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, a fault closed the connection, or the server stops
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        response = self.answer(request)
        await asyncio.sleep(self.pace.first_byte_s)
        if self.fault:
            await self.fault(request, response, writer)
        writer.write(head(response))
        body = memoryview(response.body)
        for start in range(0, len(body), _CHUNK):
            chunk = body[start : start + _CHUNK]
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(len(chunk) / self.pace.bytes_per_s)
        await writer.drain()

    def answer(self, request: Request) -> Response:
        """Return the response, sent after the time to the first byte unless a fault changes it."""
        if request.method == "GET" and "list-type" in request.query:
            return self._list(request.query.get("prefix", ""), request.query.get("start-after", ""))
        if request.method == "POST":
            return self._post(request)
        if request.method == "PUT":
            return self._put(request)
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return Response(204)
        return self._get(request)

    def _get(self, request: Request) -> Response:
        body = self.objects.get(request.path)
        if body is None:
            return error(404, "NoSuchKey")
        headers = {"ETag": self._tag(request.path, body), "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
        if request.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            return error(412, "PreconditionFailed")
        if not (span := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))):
            return Response(200, body, headers)
        start, last = int(span[1]), min(int(span[2] or len(body)), len(body) - 1)
        if start >= len(body):
            return error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{last}/{len(body)}"
        return Response(206, body[start : last + 1], headers)

    def _tag(self, path: str, body: bytes) -> str:
        """Return the tag of an object, cached because MD5 of 10 MB takes as long as sending them."""
        known, tag = self._tags.get(path, (None, ""))
        if known is not body:
            tag = etag(body)
            self._tags[path] = (body, tag)
        return tag

    def _put(self, request: Request) -> Response:
        if upload := request.query.get("uploadId"):
            self._uploads[upload][int(request.query["partNumber"])] = request.body
        else:
            self.objects[request.path] = request.body
        return Response(200, headers={"ETag": etag(request.body)})

    def _post(self, request: Request) -> Response:
        if "delete" in request.query:
            keys = re.findall(r"<Key>.*?</Key>", request.body.decode())
            for key in keys:
                self.objects.pop(key[5:-6], None)
            return _xml("DeleteResult", "".join(f"<Deleted>{key}</Deleted>" for key in keys))
        if upload := request.query.get("uploadId"):
            parts = self._uploads.pop(upload)
            body = self.objects[request.path] = b"".join(parts[number] for number in sorted(parts))
            return _xml("CompleteMultipartUploadResult", f"<ETag>{escape(etag(body))}</ETag>")
        upload = str(len(self.requests))
        self._uploads[upload] = {}
        return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")

    def _list(self, prefix: str, after: str) -> Response:
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>{escape(etag(body))}</ETag>"
            "<LastModified>2026-10-21T07:28:00.000Z</LastModified></Contents>"
            for key, body in sorted(self.objects.items())
            if key.startswith(prefix) and key > after
        )
        return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{rows}")


def head(response: Response) -> bytes:
    """Return the status line and headers."""
    fields = {"Content-Length": str(len(response.body))} | response.headers
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Error')}"]
    return "\r\n".join([*lines, *(f"{name}: {text}" for name, text in fields.items()), "", ""]).encode()


def error(status: int, code: str) -> Response:
    """Return an error in the format of S3."""
    return Response(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


def etag(body: bytes) -> str:
    """Return the tag of a body."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _xml(name: str, inner: str) -> Response:
    body = f'<?xml version="1.0"?><{name}>{inner}</{name}>'.encode()
    return Response(200, body, {"Content-Type": "application/xml"})


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request of a connection; None at its end."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(": ", 1) for line in lines if ": " in line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    path = unquote(url.path).lstrip("/").partition("/")[2]
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    return Request(method, path, query, headers, body)


async def _serve(pace: Pace) -> None:
    async with SimulatedS3(pace) as server:
        print(server.endpoint, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Pace(float(sys.argv[1]), float(sys.argv[2]))))
