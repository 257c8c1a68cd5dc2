"""Draws HTML with Takumi in a process of its own: no network, no files, limits of time and memory."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import StageFailed, Unavailable

from vitrine_orchestrator.lettering.faces import COLLECTION, STAGE, Face, shown
from vitrine_orchestrator.lettering.html.renderer_child import read_message, write_message

PROGRAM = Path(__file__).with_name("renderer_child.py")
LIBRARY = "pytakumi"
ADVICE = 'install vitrine[server], which holds the Python package "pytakumi"'
MEMORY_BYTES = 2**30
"""Address space of the process."""
TIMEOUT_S = 5.0
"""The longest that one answer may take; a usual one takes a millisecond."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """What is drawn: the page of class "page", its style sheet, the language of its text, and its fonts."""

    html: str
    style: str
    lang: str  # BCP 47
    faces: tuple[Face, ...]  # the chosen one, then the fallbacks
    weight: int


@dataclass(eq=False)
class Renderer:
    """One such process, started when it is first needed, and anew after it has died. Threads share it."""

    memory_bytes: int = MEMORY_BYTES
    timeout_s: float = TIMEOUT_S
    _process: subprocess.Popen[bytes] | None = None
    _fonts: dict[tuple[Path, int, int], str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def measure(self, page: Page) -> dict[str, Any]:
        """The laid out tree of a page: width, height, transform, children, and runs of text, in pixels."""
        return dict(self._asked("measure", page, {})[0]["tree"])

    def draw(self, page: Page, width: int, height: int) -> NDArray[np.uint8]:
        """The page (height, width, 4), RGB that is not multiplied with its alpha.

        Raises StageFailed where the process breaks a limit, Unavailable where Takumi is not installed.
        """
        content = self._asked("draw", page, {"width": width, "height": height})[1]
        if len(content) != width * height * 4:
            raise StageFailed(STAGE, f"the renderer drew {len(content)} bytes for {width}x{height} pixels")
        return np.frombuffer(content, np.uint8).reshape(height, width, 4)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _asked(self, do: str, page: Page, more: dict[str, int]) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            families = ",".join(f'"{self._family(face, page.weight)}"' for face in page.faces)
            fonts = f".page{{font-family:{families};font-weight:{page.weight}}}"
            said = {"do": do, "html": page.html, "style": page.style + fonts, "lang": page.lang, **more}
            return self._answer(said)

    def _family(self, face: Face, weight: int) -> str:
        """The name of a face in style sheets; its file is sent over with the first use."""
        if self._process is not None and self._process.poll() is not None:
            self._end()
        key = face.path, face.index, weight
        if key not in self._fonts:
            content = face.path.read_bytes()
            packed = content[:4] == COLLECTION
            name = None if packed else f"face{len(self._fonts)}"
            told, _ = self._answer({"do": "font", "name": name, "weight": weight}, content)
            named = {index: family for family, index in told["families"]}
            if face.index not in named:
                raise StageFailed(STAGE, f"the renderer cannot read the font {shown(face.path)}")
            self._fonts[key] = named[face.index]
        return self._fonts[key]

    def _answer(self, said: dict[str, Any], content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send and read one message; the process is ended where it breaks a limit."""
        process = self._process or self._started()
        assert process.stdin
        assert process.stdout
        timer = Timer(self.timeout_s, process.kill)
        timer.start()
        try:
            write_message(process.stdin, said, content)  # type: ignore[arg-type]
            answer = read_message(process.stdout)  # type: ignore[arg-type]
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self._end()
            raise StageFailed(
                STAGE,
                f"the renderer of HTML ended: an answer must take at most {self.timeout_s:g} s"
                f" and {self.memory_bytes // 2**20} MiB",
            )
        if "error" in answer[0]:
            logger.warning("the renderer of HTML refused: %s", answer[0]["error"])
            raise StageFailed(STAGE, "the renderer of HTML could not draw the page")
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if find_spec(LIBRARY) is None:
            raise Unavailable(f"templates need Takumi: {ADVICE}")
        self._fonts.clear()
        self._process = subprocess.Popen(
            [interpreter(), "-I", str(PROGRAM), str(self.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        self._fonts.clear()
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        process.wait()


def interpreter() -> str:
    """A Python that has this one's packages: in Triton's stubs this process is no interpreter itself."""
    own = Path(sys.executable or "")
    if own.name.startswith("python"):
        return str(own)
    return shutil.which("python3") or "python3"
