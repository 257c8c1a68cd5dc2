"""What servers of tests are started with, and what is sent to them."""

import io
import json
import urllib.error
import urllib.request

from PIL import Image
from vitrine_orchestrator.stages import STAGES, clip, pictures

ELSEWHERE = {*pictures.FAMILIES, clip.FAMILY}
"""Families that tests/z_image and tests/clip serve."""
SERVED = [row for row in STAGES if not row.families or set(row.families) - ELSEWHERE]
"""The rows of the stage table that the server of these tests has."""
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def posted(triton, path, body):
    """Status and JSON of an answer; an answer that is no JSON fails here."""
    request = urllib.request.Request(
        f"http://{triton.http}/v2/models/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with OPENER.open(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def png(pixels):
    """Pixels (HWC uint8 RGB) as an encoded picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
