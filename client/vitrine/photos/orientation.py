"""Turns pictures upright, as EXIF says."""

from __future__ import annotations

from PIL import Image

from vitrine.photos.quiet import quiet

# EXIF's orientation tag, and the transposition that undoes each of its values; 1 is upright.
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, picture: Image.Image) -> Image.Image:
    """`picture` turned by the EXIF orientation of `image`; EXIF data that cannot be read are ignored.

    Only that tag is read, so that no other value of the EXIF data counts.
    """
    try:
        with quiet():
            turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises whatever its parsing meets, from OverflowError to AttributeError
        turn = None
    return picture if turn is None else picture.transpose(turn)
