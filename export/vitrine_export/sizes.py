"""The size of a picture as options have it."""

import argparse
import re

SIZE_STEP = 32  # pixels: the VAE's 8 times the UNets' two halvings


def picture_size(text: str) -> tuple[int, int]:
    """`WxH` as (width, height) in pixels, positive multiples of 32; ArgumentTypeError otherwise."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(map(int, found.groups())) if found else ()
    if not sides or any(side < SIZE_STEP or side % SIZE_STEP for side in sides):
        raise argparse.ArgumentTypeError(f"{text}: must be WxH, multiples of {SIZE_STEP} pixels, as 768x1024")
    return sides[0], sides[1]
