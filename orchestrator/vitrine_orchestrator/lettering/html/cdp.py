"""Speaks Chrome's DevTools protocol over two pipes: JSON messages that end in a zero byte."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
MAX_MESSAGE = 256 * 2**20


class Ended(Exception):
    """The browser has ended or sends what is no message."""


class TooLate(Exception):
    """The browser did not answer in time."""


class Refused(Exception):
    """The browser answered a command with an error."""


@dataclass(eq=False)
class Connection:
    """Commands to a browser, and its events."""

    source: int  # the descriptor that the browser's messages come from
    sink: int
    deadline: float  # of time.monotonic()
    on_event: Callable[[str, Json], None] = lambda name, said: None
    session: str | None = None  # of the page that commands are for; None: the browser itself
    _next: int = 0
    _buffer: bytes = b""
    _answers: dict[int, Json] = field(default_factory=dict)

    def call(self, method: str, **parameters: Any) -> Json:
        """The answer to a command. Events that come before it are handled first."""
        number = self.send(method, **parameters)
        while number not in self._answers:
            self._read()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(f"{method}: {answer['error'].get('message', '')}"[:200])
        return dict(answer.get("result", {}))

    def send(self, method: str, **parameters: Any) -> int:
        """Send a command without waiting for its answer; return its number."""
        self._next += 1
        said: Json = {"id": self._next, "method": method, "params": parameters}
        if self.session:
            said["sessionId"] = self.session
        content = json.dumps(said).encode() + b"\0"
        while content:
            self._await(self.sink, select.POLLOUT)
            try:
                content = content[os.write(self.sink, content[: 2**16]) :]
            except OSError as error:
                raise Ended from error
        return self._next

    def wait(self, done: Callable[[], bool]) -> None:
        """Handle messages until something is done."""
        while not done():
            self._read()

    def _read(self) -> None:
        """Handle the next message."""
        while b"\0" not in self._buffer[-(2**17) :] and b"\0" not in self._buffer:
            self._await(self.source, select.POLLIN)
            more = os.read(self.source, 2**16)
            if not more or len(self._buffer) > MAX_MESSAGE:
                raise Ended
            self._buffer += more
        content, self._buffer = self._buffer.split(b"\0", 1)
        try:
            said = json.loads(content)
        except ValueError as error:
            raise Ended from error
        if "id" in said:
            self._answers[said["id"]] = said
        elif "method" in said:
            self.on_event(said["method"], said.get("params", {}))

    def _await(self, descriptor: int, event: int) -> None:
        """Wait until a pipe can be read or written. By poll: select takes no descriptor above 1023."""
        waiting = select.poll()
        waiting.register(descriptor, event)
        if not waiting.poll(self._left() * 1000):
            raise TooLate

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLate
        return left
