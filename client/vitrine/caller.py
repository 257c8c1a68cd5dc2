"""Sends the calls of the synchronous client: connection, time limit, retries, streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from vitrine.answers import Progress
from vitrine.calls import ModelCall
from vitrine.cancellation import Cancellation
from vitrine.errors import BadRequest, VitrineError
from vitrine.releases import read_release, version_of
from vitrine.retry import Retry, Tries
from vitrine.tensors import Tensors
from vitrine.transport import DEFAULT_URL, Transport, connect, read_endpoint

DEFAULT_TIMEOUT_S = 60.0
Answer = TypeVar("Answer")


class Caller:
    """A connection to one server, and how calls of its models are sent. See Vitrine."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        protocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry: Retry | None = None,
        release: int | None = None,
        transport: Transport | None = None,
    ) -> None:
        """`url` is host:port or a URL (grpc, grpcs, http, https); `transport` replaces it in tests."""
        self._transport = transport or connect(read_endpoint(url, protocol=protocol, headers=headers))
        self._timeout_s, self._retry = timeout_s, retry or Retry()
        self._release, self._closed = read_release(release), False

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        version: str = "",
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """Call any model with tensors. Without `version`, a pipeline is called in the pinned release."""
        cancellation = cancellation or Cancellation()
        version = version_of(model, version, self._release)
        return self._with_retries(
            lambda left_s: self._transport.infer(
                model, inputs, timeout_s=left_s, version=version, cancellation=cancellation
            ),
            timeout_s,
            cancellation.wait,
        )

    def close(self) -> None:
        """Close the connections; a later call raises BadRequest."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(
        self,
        call: ModelCall[Answer],
        timeout_s: float | None,
        *,
        cancellation: Cancellation | None = None,
        **options: Any,
    ) -> Answer:
        inputs = call.write(**options)
        return call.read(self.infer(call.model, inputs, timeout_s=timeout_s, cancellation=cancellation))

    def _tries(self, timeout_s: float | None) -> Tries:
        if self._closed:
            raise BadRequest("the client was closed: make a new one")
        return Tries(self._retry, self._timeout_s if timeout_s is None else timeout_s)

    def _with_retries(
        self,
        call: Callable[[float], Answer],
        timeout_s: float | None,
        wait: Callable[[float], object] = time.sleep,
    ) -> Answer:
        tries = self._tries(timeout_s)
        while True:
            try:
                return call(tries.left_s)
            except VitrineError as error:
                pause_s = tries.pause_s(error)
                if pause_s is None:
                    raise
            wait(pause_s)

    def _events(
        self, call: ModelCall[Progress | Answer], inputs: Tensors, timeout_s: float | None
    ) -> Generator[Progress | Answer, None, None]:
        tries, begun = self._tries(timeout_s), False
        while True:
            try:
                stream = self._transport.stream(
                    call.model,
                    inputs,
                    timeout_s=tries.left_s,
                    version=version_of(call.model, "", self._release),
                )
                with closing(stream) as answers:
                    for outputs in answers:
                        begun = True
                        yield (event := call.read(outputs))
                        if not isinstance(event, Progress):
                            return
                raise VitrineError("the stream ended before its result")
            except VitrineError as error:
                pause_s = tries.pause_s(error)
                if begun or pause_s is None:
                    raise
            time.sleep(pause_s)
