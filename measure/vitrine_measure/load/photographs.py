"""Photographs of the size of phone pictures, sent by curl with its default content type."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Sequence

import numpy as np
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException
from vitrine.errors import Unavailable, VitrineError
from vitrine.inputs import Tensors
from vitrine.wire import infer_inputs, read_error

SHEETS: tuple[tuple[int, int, int, str, int], ...] = (
    (3000, 4000, 24, "JPEG", 90),
    (3000, 4000, 48, "JPEG", 92),
    (1600, 2000, 12, "PNG", 1),
)
"""Width, height, noise in levels, format, its quality or compression: 4 to 12 MB each."""

OPTION = {"JPEG": "quality", "PNG": "compress_level"}
OK = "200"


def photographs(picture: bytes) -> tuple[bytes, ...]:
    """Return an encoded picture as large photographs with camera noise."""
    return tuple(_photograph(picture, *sheet) for sheet in SHEETS)


def _photograph(picture: bytes, width: int, height: int, noise: int, kind: str, option: int) -> bytes:
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((width, height))
    grain = np.random.default_rng(noise).integers(-noise, noise + 1, (height, width, 3), np.int16)
    pixels = (np.asarray(image) + grain).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **{OPTION[kind]: option})
    return file.getvalue()


def find_curl() -> str:
    """Return the path of curl; Unavailable if it is missing."""
    if found := shutil.which("curl"):
        return found
    raise Unavailable("curl is not installed: it sends the large photographs of this load")


async def send(address: str, model: str, inputs: Tensors, output: str, timeout_s: float) -> None:
    """Call a model over HTTP with JSON output for one tensor; raises the server's error."""
    body, length = triton.InferenceServerClient.generate_request_body(
        infer_inputs(inputs, triton.InferInput),
        outputs=[triton.InferRequestedOutput(output, binary_data=False)],
    )
    status, answer = await _curl(
        f"http://{address}/v2/models/{model}/infer",
        ["--header", f"Inference-Header-Content-Length: {length}", "--max-time", str(timeout_s)],
        body,
    )
    if status != OK:
        raise read_error(InferenceServerException(answer, status), timeout_s)


async def _curl(url: str, options: Sequence[str], body: bytes) -> tuple[str, str]:
    """POST with curl; return the status and the text."""
    shown = ["--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]
    process = await asyncio.create_subprocess_exec(
        *(find_curl(), *shown, *options, "--data-binary", "@-", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await process.communicate(body)
    if process.returncode:
        raise VitrineError(f"curl: {complaint.decode(errors='replace').strip()}")
    answer, _, status = out.decode(errors="replace").rpartition("\n")
    return status, answer
