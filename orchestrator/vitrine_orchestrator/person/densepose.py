"""The contract of the stage `densepose`, and the pose picture that the denoiser gets.

A `densepose` model takes the person as UINT8 (512, 384, 3) RGB and returns UINT8 (512, 384): 0 where there is
no body, else the DensePose part 1..24. Scores, thresholds, boxes and resizing are inside the model. For
several people it returns their union, with the more certain one in front: bystanders are outside the mask,
and the pose picture should agree with the pixels that are kept. (The released code keeps only the least
certain person, and returns the photo itself when it finds none; neither is intended.)
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest, StageFailed

WIDTH, HEIGHT = 384, 512  # pixels of the stage's input and output
PARTS = 24
NO_BODY = "no body found in the picture: use one that shows one person, head to hips, in good light"

# RGB of parts 0 (no body) to 24: OpenCV 4.11's PARULA colour map at part·255/24, and black for no body.
COLOURS = np.array(
    [
        [(0, 0, 0), (37, 60, 163), (20, 80, 194), (4, 97, 223), (8, 110, 221)],
        [(14, 122, 216), (20, 132, 212), (15, 144, 208), (11, 156, 203), (6, 166, 198)],
        [(22, 173, 185), (38, 179, 172), (55, 185, 159), (86, 187, 144), (114, 189, 130)],
        [(145, 191, 116), (170, 189, 105), (192, 188, 96), (216, 186, 86), (228, 192, 74)],
        [(240, 199, 60), (252, 206, 46), (251, 220, 36), (250, 235, 25), (249, 251, 14)],
    ],
    np.uint8,
).reshape(PARTS + 1, 3)


def pose_picture(parts: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The coloured parts, the denoiser's input: (height, width, 3) uint8 RGB, enlarged bicubically.

    Raises BadRequest, with advice, when there is no body, and StageFailed for a label over 24.
    """
    if parts.max(initial=0) > PARTS:
        raise StageFailed("densepose", f"part labels must be 0 to {PARTS}, got {parts.max()}")
    if not parts.any():
        raise BadRequest(NO_BODY)
    picture = Image.fromarray(coloured(parts))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def coloured(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The parts (H, W) 0..24 in DensePose's colours, (H, W, 3) uint8 RGB on black."""
    return COLOURS[parts]
