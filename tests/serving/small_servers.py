"""What servers of tests are started with, and the pictures that are sent to them."""

import io

from PIL import Image
from vitrine_orchestrator.stages import STAGES, clip, pictures

ELSEWHERE = {*pictures.FAMILIES, clip.FAMILY}
"""Families that tests/z_image and tests/clip serve."""
SERVED = [row for row in STAGES if not row.families or set(row.families) - ELSEWHERE]
"""The rows of the stage table that the server of these tests has."""


def png(pixels):
    """Pixels (HWC uint8 RGB) as an encoded picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
