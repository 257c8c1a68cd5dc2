"""Parses the size of a picture in options."""

import argparse
import re

SIZE_STEP = 32  # pixels: 8 of the VAE times two halvings in the UNets


def picture_size(text: str) -> tuple[int, int]:
    """Parse `WxH` as (width, height) in pixels; ArgumentTypeError unless positive multiples of 32."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(map(int, found.groups())) if found else ()
    if not sides or any(side < SIZE_STEP or side % SIZE_STEP for side in sides):
        raise argparse.ArgumentTypeError(f"{text}: must be WxH, multiples of {SIZE_STEP} pixels, as 768x1024")
    return sides[0], sides[1]
