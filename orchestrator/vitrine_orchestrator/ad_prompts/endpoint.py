"""Asks a model behind an OpenAI-compatible endpoint: a sentence or a picture in, a JSON object out.

Neither the address nor the key nor anything of the answer is in a message or in the log.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.placing.boxes import checked_shares
from vitrine_orchestrator.settings import BadSettings, Settings

logging.getLogger("httpx2").setLevel(logging.WARNING)  # its lines about requests hold the endpoint's address

Json = dict[str, Any]

MAX_ANSWER = 2**20  # bytes of a response; a longer one is not read to its end
MAX_TOKENS = 600  # of the answer that is asked for
FIRST_PAUSE_S = 0.25  # before the first retry; doubled for each further one
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request can succeed."""
MOST_BOXES = 16
MOST_STARTS = 50
"""Braces of an answer's text at which its JSON object is looked for."""
UNUSABLE = (httpx2.InvalidURL, ImportError, ValueError)
"""Raised for an address, or for a proxy of the environment, that the HTTP client cannot use. A SOCKS proxy
needs a package that the server does not have."""

BOXES = (
    'Answer with one JSON object {"boxes": [[left, top, right, bottom], …]}: each number is a share of the'
    " picture's width or height, from 0 to 1, the best box first."
)


class Box(NamedTuple):
    """A part of a picture in shares of its width and height: 0 is left or top, 1 right or bottom."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers, and how long it may take."""

    url: str = field(repr=False)  # up to the version, as in http://localhost:8000/v1
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 20.0  # for an answer, all tries together
    retries: int = 1  # further tries after the first

    @property
    def is_local(self) -> bool:
        """Whether the address is of this machine: then no proxy of the environment is used."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def checked_url(url: str) -> str:
    """The address of an endpoint, without spaces and line ends around it, as files of secrets have them.

    BadSettings unless it is http(s)://host[:port][/path] and no more.
    """
    url = url.strip()
    try:
        httpx2.URL(url)  # what requests are sent by knows more rules of hosts
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx2.InvalidURL):
        fine = False
    if not fine or parts.username or parts.password or parts.query or parts.fragment or len(url.split()) > 1:
        raise BadSettings("VITRINE_LLM_URL must be http(s)://host:port/path, without user or query")
    return url


def endpoint_of(settings: Settings) -> Endpoint | None:
    """The endpoint of a deployment; None where it has none.

    BadSettings for a key that cannot be read, and for proxies of the environment that no call can use.
    """
    if settings.llm_url is None:
        return None
    if not settings.llm_model:
        raise BadSettings("VITRINE_LLM_MODEL must be given with VITRINE_LLM_URL: the name of the model there")
    endpoint = Endpoint(
        url=checked_url(settings.llm_url).rstrip("/"),
        model=settings.llm_model,
        key=_key(settings.llm_key, settings.llm_key_file),
        timeout_s=settings.llm_timeout_s,
        retries=settings.llm_retries,
    )
    try:
        _client(endpoint)
    except UNUSABLE:
        raise BadSettings(
            "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY must be http:// or https:// addresses: calls of"
            " VITRINE_LLM_URL go through them"
        ) from None
    return endpoint


def _key(key: str | None, file: Path | None) -> str | None:
    """The key of the environment or of a file. It must fit into a header."""
    if file is not None:
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise BadSettings("VITRINE_LLM_KEY_FILE must be a text file that the server can read") from None
    if key is not None and not (key and key.isprintable() and key.isascii()):
        raise BadSettings("the key of VITRINE_LLM_KEY or VITRINE_LLM_KEY_FILE must be one line of ASCII")
    return key


async def ask(endpoint: Endpoint, system: str, user: str | Sequence[Json]) -> Json:
    """The JSON object that the model answers; Unavailable says why there is none."""
    body = {
        "model": endpoint.model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "stream": False,
    }
    deadline = time.monotonic() + endpoint.timeout_s
    try:
        async with asyncio.timeout(endpoint.timeout_s), _client(endpoint) as client:
            return await _tried(lambda: _once(client, endpoint, body), endpoint.retries, deadline)
    except TimeoutError:
        raise Unavailable(f"the language model did not answer within {endpoint.timeout_s:g} s") from None
    except UNUSABLE as error:
        raise Unavailable(f"the language model cannot be reached ({type(error).__name__})") from None


async def boxes(endpoint: Endpoint, picture: bytes, question: str, kind: str = "png") -> list[Box]:
    """The boxes that a vision model proposes in an encoded picture; Unavailable where it names none.

    The caller checks whether they suit: a model may propose any part of the picture.
    """
    data = f"data:image/{kind};base64,{b64encode(picture).decode()}"
    content: list[Json] = [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": data}},
    ]
    answer = (await ask(endpoint, BOXES, content)).get("boxes")
    found = [box for one in answer[:MOST_BOXES] if (box := _box(one))] if isinstance(answer, list) else []
    if not found:
        raise Unavailable("the language model's answer holds no box of four shares from 0 to 1")
    return found


def _box(numbers: object) -> Box | None:
    try:
        return Box(*checked_shares("box", numbers))
    except BadRequest:
        return None


@cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates; reading them for each request would take longer than the request."""
    return ssl.create_default_context()


def _client(endpoint: Endpoint) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
        timeout=endpoint.timeout_s,
        verify=_certificates() if endpoint.url.startswith("https:") else False,  # http has none to verify
        trust_env=not endpoint.is_local,
        follow_redirects=False,  # the key goes to no other host
    )


class _Again(Exception):
    """A failure after which another try can succeed; `after_s` is what the server asked to wait."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


async def _tried(once: Callable[[], Awaitable[Json]], retries: int, deadline: float) -> Json:
    """The answer of the first try that gives one; no pause goes beyond the deadline."""
    tried = 0
    while True:
        try:
            return await once()
        except _Again as error:
            pause_s = max(error.after_s, FIRST_PAUSE_S * 2**tried)
            tried += 1
            if tried > retries or time.monotonic() + pause_s >= deadline:
                raise Unavailable(str(error)) from None
            await asyncio.sleep(pause_s)


async def _once(client: httpx2.AsyncClient, endpoint: Endpoint, body: Json) -> Json:
    try:
        async with client.stream("POST", f"{endpoint.url}/chat/completions", json=body) as response:
            if response.status_code in AGAIN:
                raise _Again(_refused(response), _wait_s(response))
            if response.status_code != 200:
                raise Unavailable(_refused(response))
            return _object(await _read(response))
    except httpx2.TimeoutException:
        raise TimeoutError from None
    except httpx2.HTTPError as error:
        raise _Again(f"the language model cannot be reached ({type(error).__name__})") from None


def _refused(response: httpx2.Response) -> str:
    return f"the language model's server answered with status {response.status_code}"


def _wait_s(response: httpx2.Response) -> float:
    """Seconds of the header Retry-After; 0 for none and for a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"\d{1,6}", text) else 0.0


async def _read(response: httpx2.Response) -> bytes:
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            raise Unavailable(f"the language model's answer has more than {MAX_ANSWER} bytes")
    return content


def _object(content: bytes) -> Json:
    """The JSON object in a chat completion's text."""
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
        found = _first_object(text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        found = None
    if found is None:
        raise Unavailable("the language model's answer is not a JSON object")
    return found


def _first_object(text: str) -> Json | None:
    """The first JSON object of a text after the model's thoughts; a fence or words may stand around it."""
    said = text.rpartition("</think>")[2]
    if "<think>" in said:
        return None  # the answer ends within the thoughts
    for start in islice(re.finditer(r"\{", said), MOST_STARTS):
        try:
            found, _ = json.JSONDecoder().raw_decode(said, start.start())
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None
