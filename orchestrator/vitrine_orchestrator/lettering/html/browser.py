"""Draws a caller's page with a headless Chromium that is shut in, one process tree for each page.

The page is answered to the browser by this process under an address that does not exist, with a policy that
forbids every request, a sandbox, and scripts off; every other request is refused here, the browser is told
that it is offline, and it runs as nobody in a network namespace without a way out, within limits of time and
memory. Each of these walls is enough for most ways out, and none is for all: `navigate` alone lets a
prefetch through, for example.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest, StageFailed, Unavailable

from vitrine_orchestrator.lettering.faces import STAGE
from vitrine_orchestrator.lettering.html.browser_launch import NOBODY, REFUSED
from vitrine_orchestrator.lettering.html.browser_page import HIDE_INK, MEASURE, Words, read_words
from vitrine_orchestrator.lettering.html.cdp import Connection, Ended, Json, Refused, TooLate
from vitrine_orchestrator.lettering.html.renderer import interpreter

LAUNCHER = Path(__file__).with_name("browser_launch.py")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ADVICE = "install the Debian package chromium"
ADDRESS = "http://render.invalid/"
"""Where the page seems to be: a name that no resolver may know (RFC 6761)."""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; frame-src 'none'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; sandbox"
)
TIMEOUT_S = 10.0
"""For one page, the browser's start included."""
DATA_BYTES = 2 * 2**30
"""Writable memory of each process of the browser."""
MEASURE_MS = 1000
FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--no-startup-window", "--no-first-run", "--mute-audio"),
    *("--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-sync"),
    *(
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-breakpad",
        "--disable-dev-shm-usage",
    ),
    *("--no-default-browser-check", "--disable-domain-reliability", "--hide-scrollbars", "--no-pings"),
    *("--force-color-profile=srgb", "--font-render-hinting=none", "--host-resolver-rules=MAP * ~NOTFOUND"),
    *("--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=<-loopback>"),
    *("--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--dns-prefetch-disable"),
)
"""No service of the browser's own, no name known, and every request through a proxy that is not there."""

Allowed = Literal["off", "on", "without-sandbox"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A caller's page as pixels."""

    layer: NDArray[np.uint8]  # (height, width, 4), RGB that is not multiplied with its alpha
    bare: NDArray[np.uint8]  # the same without the ink of its texts
    words: Words


@dataclass(frozen=True)
class Browser:
    """How pages are drawn."""

    program: Path
    sandbox: bool = True  # Chromium's own, which needs namespaces of users
    network: bool = False  # only tests of the other walls leave it on
    flags: tuple[str, ...] = FLAGS
    timeout_s: float = TIMEOUT_S
    data_bytes: int = DATA_BYTES

    def draw(self, name: str, html: str, width: int, height: int) -> Drawn:
        """The page of that size in pixels; `name` is the input's, for messages.

        Raises BadRequest for a page that takes too long or too much memory, Unavailable, with what to
        install or to allow, where the browser cannot be started.
        """
        deadline = time.monotonic() + self.timeout_s
        with self.started(deadline) as connection:
            try:
                return Tab(connection, width, height).drawn(name, html)
            except TooLate:
                raise BadRequest(f"{name} must be drawn within {self.timeout_s:g} s") from None
            except Refused as error:
                raise BadRequest(f"{name} must be a page that can be drawn: {error}") from None

    @contextmanager
    def started(self, deadline: float) -> Iterator[Connection]:
        """A connection to a new browser, which is killed with all its processes at the end."""
        with ExitStack() as held:
            folder = tempfile.mkdtemp(prefix="vitrine-page-")
            held.callback(shutil.rmtree, folder, ignore_errors=True)
            if os.geteuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
            theirs, ours, process = self._launched(held, folder)
            try:
                yield Connection(theirs, ours, deadline)
            except Ended:
                raise self._why(process) from None

    def _launched(self, held: ExitStack, folder: str) -> tuple[int, int, subprocess.Popen[bytes]]:
        """The ends of the pipes from and to a new browser, and its process; `held` ends and closes them."""
        with ExitStack() as its:  # the browser's own ends are closed here once it has them
            commands, ours = _pipe(its, held)
            theirs, events = _pipe(held, its)
            process = subprocess.Popen(
                self._words(commands, events, folder),
                pass_fds=(commands, events),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"HOME": folder, "TMPDIR": folder, "PATH": os.defpath, "LANG": "C.UTF-8"},
                start_new_session=True,
            )
            held.callback(_kill, process)
        return theirs, ours, process

    def _words(self, source: int, sink: int, folder: str) -> list[str]:
        limits = [str(source), str(sink), str(self.data_bytes), str(round(2 * self.timeout_s) + 1)]
        sandbox = [] if self.sandbox else ["--no-sandbox"]
        launch = [interpreter(), "-I", str(LAUNCHER), *limits, "on" if self.network else "off"]
        return [*launch, str(self.program), f"--user-data-dir={folder}", *sandbox, *self.flags]

    def _why(self, process: subprocess.Popen[bytes]) -> Exception:
        """The error of a browser that has ended by itself."""
        try:
            status = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return StageFailed(STAGE, "the browser sends what cannot be read")
        if status == REFUSED:
            return Unavailable("callers' pages need a network namespace, which the kernel refuses here")
        return Unavailable(
            "the browser for callers' pages ended by itself: Chromium's sandbox needs namespaces of users;"
            ' where the container is the sandbox, VITRINE_CALLER_HTML may say "without-sandbox"'
        )


class Tab:
    """One tab in a browser that has just started. `name` is the input's, for messages."""

    def __init__(self, connection: Connection, width: int, height: int) -> None:
        self.connection, self.width, self.height = connection, width, height
        self.html, self.served, self.loaded, self.crashed = "", True, False, False
        connection.on_event = self._event
        call = connection.call
        context = call("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        target = call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.connection.session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._shut_in()

    def show(self, html: str) -> None:
        """Open a page, and wait until it is there."""
        self.html, self.served, self.loaded = html, False, False
        self.connection.send("Page.navigate", url=ADDRESS)
        self.connection.wait(lambda: self.loaded or self.crashed)

    def drawn(self, name: str, html: str) -> Drawn:
        """The pixels and the texts of a page."""
        self.show(html)
        words = read_words(self._evaluated(MEASURE, name), self.width, self.height)
        layer = self.shot(name)
        self._evaluated(HIDE_INK, name)
        return Drawn(layer, self.shot(name), words)

    def _shut_in(self) -> None:
        """Everything that must hold before the page is there."""
        call = self.connection.call
        size = {"width": self.width, "height": self.height, "deviceScaleFactor": 1, "mobile": False}
        call("Emulation.setScriptExecutionDisabled", value=True)
        call("Emulation.setDeviceMetricsOverride", **size)
        call("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})
        call("Page.enable")
        call("Inspector.enable")
        call("Network.enable")
        call("Network.setBypassServiceWorker", bypass=True)
        nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        call("Network.emulateNetworkConditions", **nothing)
        call("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def _event(self, event: str, said: Json) -> None:
        if event == "Fetch.requestPaused":
            self._asked(said)
        elif event == "Page.loadEventFired":
            self.loaded = self.served
        elif event == "Inspector.targetCrashed":
            self.crashed = True

    def _asked(self, said: Json) -> None:
        """Answer the page itself, once; refuse everything else."""
        if self.served or said["request"]["url"] != ADDRESS:
            refusal = {"requestId": said["requestId"], "errorReason": "BlockedByClient"}
            self.connection.send("Fetch.failRequest", **refusal)
            return
        self.served = True
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-DNS-Prefetch-Control": "off",
        }
        self.connection.send(
            "Fetch.fulfillRequest",
            requestId=said["requestId"],
            responseCode=200,
            responseHeaders=[{"name": name, "value": value} for name, value in headers.items()],
            body=b64encode(self.html.encode()).decode(),
        )

    def _evaluated(self, code: str, name: str) -> Any:
        """The value of our own code in a world of its own beside the page's."""
        self._check(name)
        frame = self.connection.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        world = self.connection.call("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
        options = {"contextId": world, "returnByValue": True, "timeout": MEASURE_MS}
        answer = self.connection.call("Runtime.evaluate", expression=code, **options)
        if "exceptionDetails" in answer:
            raise BadRequest(f"{name} must be a page whose texts can be measured")
        return answer["result"].get("value")

    def shot(self, name: str) -> NDArray[np.uint8]:
        """The pixels (height, width, 4) of the page that is shown."""
        self._check(name)
        content = b64decode(self.connection.call("Page.captureScreenshot", format="png")["data"])
        with Image.open(BytesIO(content)) as image:
            if image.size != (self.width, self.height):
                raise StageFailed(
                    STAGE, f"the browser drew {image.size} instead of {self.width}x{self.height}"
                )
            return np.asarray(image.convert("RGBA"))

    def _check(self, name: str) -> None:
        if self.crashed:
            raise BadRequest(f"{name} must be drawn with less memory: the browser's process ended")


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """The two ends of a new pipe, each closed with its own stack."""
    ends = os.pipe()
    for stack, end in zip((reader, writer), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def open_browser(allowed: Allowed, timeout_s: float = TIMEOUT_S) -> Browser:
    """The system's Chromium, with so many seconds for a page; Unavailable says what to install.

    Raises BadRequest where pages are not allowed.
    """
    if allowed == "off":
        raise BadRequest(
            "html must not be given: this server draws no pages of callers (VITRINE_CALLER_HTML is off)"
        )
    found = find_program()
    if found is None:
        raise Unavailable(f"callers' pages need a browser: {ADVICE}")
    return Browser(found, sandbox=allowed == "on", timeout_s=timeout_s)


def find_program() -> Path | None:
    """An installed Chromium; None where there is none."""
    found = next((path for one in PROGRAMS if (path := shutil.which(one))), None)
    return Path(found) if found else None
