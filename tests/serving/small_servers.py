"""What servers of tests are started with, and the pictures that are sent to them."""

import io

from PIL import Image
from vitrine_orchestrator.embedded.ports import Ports

ANY_PORTS = Ports(0, 0, 0)
"""Free ports: other servers may run on this machine."""


def png(pixels):
    """Pixels (HWC uint8 RGB) as an encoded picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
