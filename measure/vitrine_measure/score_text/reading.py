"""Reads lines of pictures with tesseract, all lines of a language in one call."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import Unavailable, VitrineError

from vitrine_measure.score_text.lines import READERS

PROGRAM = "tesseract"
ADVICE = (
    "install the Debian packages tesseract-ocr, tesseract-ocr-kor, tesseract-ocr-jpn, tesseract-ocr-chi-sim"
)
ONE_LINE = "7"
"""Tesseract's page segmentation mode for a picture of one line."""
LINE_HEIGHT = 32
"""Pixels to which a line is scaled: what tesseract reads best."""
AROUND = 0.2
"""Of the picture around a line, in heights of it, that is read too."""
TIMEOUT_S = 3600.0


def check_reader() -> None:
    """Raise Unavailable, with what to install, unless tesseract and its four languages are there."""
    if shutil.which(PROGRAM) is None:
        raise Unavailable(f"{PROGRAM} is missing: {ADVICE}")
    listed = subprocess.run([PROGRAM, "--list-langs"], capture_output=True, text=True, check=False).stdout
    if lacking := sorted(set(READERS.values()) - set(listed.split())):
        raise Unavailable(f"{PROGRAM} lacks {', '.join(lacking)}: {ADVICE}")


def strip(picture: NDArray[np.uint8], box: tuple[int, int, int, int]) -> Image.Image:
    """Return a line with what is around it, in grey."""
    left, top, right, bottom = box
    height = max(bottom - top, 1)
    around = round(AROUND * height)
    part = Image.fromarray(picture).crop(
        (
            max(left - around, 0),
            max(top - around, 0),
            min(right + around, picture.shape[1]),
            min(bottom + around, picture.shape[0]),
        )
    )
    scale = LINE_HEIGHT / height
    size = max(round(part.width * scale), 1), max(round(part.height * scale), 1)
    return part.convert("L").resize(size, Image.Resampling.LANCZOS)


def read(strips: Sequence[Image.Image], language: str) -> list[str]:
    """Return the text of each strip; `language` is one of READERS."""
    if not strips:
        return []
    with tempfile.TemporaryDirectory(prefix="vitrine-reading-") as name:
        folder = Path(name)
        for index, image in enumerate(strips):
            image.save(folder / f"{index}.png")
        (folder / "list.txt").write_text(
            "".join(f"{folder / f'{index}.png'}\n" for index in range(len(strips)))
        )
        done = subprocess.run(
            [PROGRAM, str(folder / "list.txt"), "-", "-l", READERS[language], "--psm", ONE_LINE],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    pages = done.stdout.split("\f")  # between pages, and not after the last one
    if done.returncode or len(pages) != len(strips):
        raise VitrineError(f"{PROGRAM} read {len(pages)} of {len(strips)} lines: {done.stderr[-200:]}")
    return pages


def bare(text: str) -> str:
    """Return a text for comparison: composed, of usual width, without white space."""
    return "".join(unicodedata.normalize("NFKC", text).split())
