"""Sends the calls of the asynchronous client: connection, time limit, retries, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from vitrine.answers import Progress
from vitrine.caller import DEFAULT_TIMEOUT_S
from vitrine.calls import ModelCall
from vitrine.errors import BadRequest, VitrineError
from vitrine.releases import read_release, version_of
from vitrine.retry import Retry, Tries
from vitrine.tensors import Tensors
from vitrine.transport import DEFAULT_URL, AsyncTransport, connect_async, read_endpoint

Answer = TypeVar("Answer")


class AsyncCaller:
    """A connection to one server, and how calls of its models are sent. See AsyncVitrine."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        protocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry: Retry | None = None,
        release: int | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        """See Vitrine."""
        self._transport = transport or connect_async(read_endpoint(url, protocol=protocol, headers=headers))
        self._timeout_s, self._retry = timeout_s, retry or Retry()
        self._release, self._closed = read_release(release), False

    async def infer(
        self, model: str, inputs: Tensors, *, version: str = "", timeout_s: float | None = None
    ) -> dict[str, np.ndarray]:
        """See Vitrine."""
        version = version_of(model, version, self._release)
        return await self._with_retries(
            lambda left_s: self._transport.infer(model, inputs, timeout_s=left_s, version=version), timeout_s
        )

    async def close(self) -> None:
        """Close the connections; a later call raises BadRequest."""
        self._closed = True
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, call: ModelCall[Answer], timeout_s: float | None, **options: Any) -> Answer:
        return call.read(await self.infer(call.model, call.write(**options), timeout_s=timeout_s))

    def _tries(self, timeout_s: float | None) -> Tries:
        if self._closed:
            raise BadRequest("the client was closed: make a new one")
        return Tries(self._retry, self._timeout_s if timeout_s is None else timeout_s)

    async def _with_retries(
        self, call: Callable[[float], Awaitable[Answer]], timeout_s: float | None
    ) -> Answer:
        tries = self._tries(timeout_s)
        while True:
            try:
                return await call(tries.left_s)
            except VitrineError as error:
                pause_s = tries.pause_s(error)
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    async def _events(
        self, call: ModelCall[Progress | Answer], inputs: Tensors, timeout_s: float | None
    ) -> AsyncGenerator[Progress | Answer, None]:
        tries, begun = self._tries(timeout_s), False
        while True:
            try:
                stream = self._transport.stream(
                    call.model,
                    inputs,
                    timeout_s=tries.left_s,
                    version=version_of(call.model, "", self._release),
                )
                async with aclosing(stream) as answers:
                    async for outputs in answers:
                        begun = True
                        yield (event := call.read(outputs))
                        if not isinstance(event, Progress):
                            return
                raise VitrineError("the stream ended before its result")
            except VitrineError as error:
                pause_s = tries.pause_s(error)
                if begun or pause_s is None:
                    raise
            await asyncio.sleep(pause_s)
