"""Pictures of noise for tests."""

import io

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()


def picture(seed=0, size=(48, 64), kind="PNG", **options):
    """An encoded picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()
