"""Human parsing: the inputs of the two SCHP networks, and one 19-label map from their outputs.

The ATR network labels garments, limbs and head; only the LIP network separates the face from the neck. The
steps are those of the released IDM-VTON preprocessing.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.images.region import Box, box_around
from vitrine_orchestrator.person.labels import Label

ATR_SIZE, LIP_SIZE = 512, 473  # pixels a side of the networks' square inputs
LIP_FACE = 13  # the label of the face in the LIP network's own numbering
MEAN_BGR = np.array((0.406, 0.456, 0.485), np.float32)  # ImageNet's, in the order of the pixels: BGR
STD_BGR = np.array((0.225, 0.224, 0.229), np.float32)
NORMALISED = (((np.arange(256, dtype=np.float32) / np.float32(255))[:, None] - MEAN_BGR) / STD_BGR).T.copy()
Matrix = NDArray[np.float32]
MAX_HOLE_AREA = 2000  # square pixels; larger gaps between arm and body are true background


def network_input(picture: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """A parsing network's input: (3, size, size) float32, BGR, normalised, the picture centred on black.

    picture: (H, W, 3) uint8 RGB of any size; its longer side fills the square.
    """
    height, width = picture.shape[:2]
    square = cv2.warpAffine(
        np.ascontiguousarray(picture[..., ::-1]), to_square(width, height, size), (size, size)
    )
    return np.stack(
        [cv2.LUT(plane, table) for table, plane in zip(NORMALISED, cv2.split(square), strict=True)]
    )


def to_square(width: int, height: int, size: int) -> NDArray[np.float64]:
    """The (2, 3) affine matrix from picture pixels to those of the network's square, pixel centres whole.

    The longer side's first and last pixel land on the square's first and last.
    """
    scale = (size - 1) / max(width - 1, height - 1, 1)
    across, down = (size - 1 - scale * (width - 1)) / 2, (size - 1 - scale * (height - 1)) / 2
    return np.array([[scale, 0, across], [0, scale, down]])


def merged_labels(
    atr_logits: NDArray[np.float32], lip_logits: NDArray[np.float32], width: int, height: int
) -> NDArray[np.uint8]:
    """The label map (height, width) uint8 of `Label` values from the logits of both networks.

    atr_logits: (18, a, a) float32, lip_logits: (20, b, b) float32, both at any resolution.
    width, height: of the picture given to `network_input`.
    """
    labels = np.zeros((height, width), np.uint8)
    matrices = _read_matrices(atr_logits.shape[1:], ATR_SIZE, width, height)
    if box := _box_of_pixels(atr_logits[1:].max(0) > atr_logits[0], *matrices):
        labels[box] = _largest_channels(atr_logits, *matrices, box)
    labels = _without_small_holes(labels)
    if box := box_around((labels == Label.FACE).view(np.uint8)):
        matrices = _read_matrices(lip_logits.shape[1:], LIP_SIZE, width, height)
        face = _largest_channels(lip_logits, *matrices, box) == LIP_FACE
        labels[box][(labels[box] == Label.FACE) & ~face] = Label.NECK
    return labels


def _largest_channels(
    logits: NDArray[np.float32], down: Matrix, across: Matrix, box: Box
) -> NDArray[np.uint8]:
    """The channel with the largest value at each picture pixel in the box, uint8; the first of equals."""
    (down, rows), (across, columns) = _without_zero_ends(down[box[0]]), _without_zero_ends(across[box[1]])
    best = np.full((len(down), len(across)), -np.inf, np.float32)
    winner = np.zeros(best.shape, np.uint8)
    for channel, plane in enumerate(logits[:, rows, columns]):
        score = down @ (plane @ across.T)
        better = cv2.compare(score, best, cv2.CMP_GT)
        cv2.max(best, score, dst=best)
        winner[better.view(bool)] = channel
    return winner


def _box_of_pixels(marked: NDArray[np.bool_], down: Matrix, across: Matrix) -> Box | None:
    """The box of the picture's pixels that depend on a marked logit; None when there are none.

    Outside it channel 0 wins: it is the largest of all logits that a pixel reads, and no weight is negative.
    """
    found = box_around(marked.view(np.uint8))
    if found is None:
        return None
    rows, columns = (np.flatnonzero(m[:, part].any(1)) for m, part in zip((down, across), found, strict=True))
    if not len(rows) or not len(columns):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _without_zero_ends(matrix: Matrix) -> tuple[Matrix, slice]:
    """The matrix without the all-zero columns at its ends, and the slice of the remaining ones."""
    used = np.flatnonzero(matrix.any(0))
    part = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
    return np.ascontiguousarray(matrix[:, part]), part


@lru_cache(maxsize=8)
def _read_matrices(logits: tuple[int, int], size: int, width: int, height: int) -> tuple[Matrix, Matrix]:
    """The matrices (height, rows of logits) and (width, columns) that read logits at the picture's pixels.

    Logits are interpolated linearly to the square, and from there to the picture.
    """
    square = to_square(width, height, size)
    down = _from_square(square[1, 1], square[1, 2], height, size) @ _stretch(logits[0], size)
    across = _from_square(square[0, 0], square[0, 2], width, size) @ _stretch(logits[1], size)
    return down, across


def _stretch(length: int, size: int) -> NDArray[np.float32]:
    """The (size, length) matrix of linear interpolation with ends on ends (torch's align_corners)."""
    return _linear(np.linspace(0, length - 1, size), length)


def _from_square(scale: float, shift: float, length: int, size: int) -> NDArray[np.float32]:
    """The (length, size) matrix that reads a picture's side from the square's; zero beyond its ends.

    Positions are rounded to 1/32 pixel as in cv2.warpAffine (10 fractional bits, of which 5 are kept).
    """
    fixed = np.rint(scale * 1024 * np.arange(length)).astype(int) + round(shift * 1024) + 16
    return _linear((fixed >> 5) / 32, size)


def _linear(places: NDArray[np.floating], length: int) -> NDArray[np.float32]:
    """The matrix that interpolates a row of `length` values at `places`; zero one step beyond its ends."""
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length))).astype(np.float32)


def _without_small_holes(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The map with small gaps between upper garment and arms turned into garment."""
    solid = np.isin(labels, (Label.UPPER_CLOTHES, Label.LEFT_ARM, Label.RIGHT_ARM)).astype(np.uint8)
    padded = np.pad(solid, 1)
    outside = padded.copy()
    cv2.floodFill(outside, None, (0, 0), (1,))
    holes = 1 - outside
    large = np.zeros_like(holes)
    contours, _ = cv2.findContours(holes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
    for contour in contours:
        if cv2.contourArea(contour) > MAX_HOLE_AREA:
            cv2.drawContours(large, [contour], -1, (1,), thickness=cv2.FILLED)
    small = (holes & (1 - large))[1:-1, 1:-1]
    return np.where(small, np.uint8(Label.UPPER_CLOTHES), labels)
