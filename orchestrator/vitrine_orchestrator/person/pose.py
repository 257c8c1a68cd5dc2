"""The stage `pose`: the input of the OpenPose body network, and 18 keypoints from its output."""

from functools import partial
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.person.choice import by_size
from vitrine_orchestrator.person.labels import Joint
from vitrine_orchestrator.person.people import Peaks, Person, assemble
from vitrine_orchestrator.stages.idm_vton import POSE_WIDTH

Choice = Literal["largest", "released"]

INPUT_HEIGHT = 184  # pixels: half of the 368 that the network was trained on, the released choice
STRIDE = 8  # network input pixels for one pixel of its maps
MAX_INPUT_WIDTH = POSE_WIDTH.most - STRIDE
PADDING_GREY = 128  # byte value beyond the picture's right and lower edge
MIN_PEAK = 0.1  # a lower heatmap value is no joint
MAX_PEAKS = 32  # peaks kept of one joint, the strongest; this bounds the pairs of noise
UPSCALE = 4  # maps are enlarged by this before peaks are searched
NO_PERSON = "no person found in the picture: use one that shows one person, head to hips, in good light"


def network_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pose network's input: (3, h, w) float32, BGR / 256 − 0.5; h and w are multiples of 8.

    picture: (H, W, 3) uint8 RGB. It is resized to 184 pixels of height and padded on the right with grey.
    """
    height, width = picture.shape[:2]
    size = _input_size(width, height)
    how = cv2.INTER_AREA if height > INPUT_HEIGHT else cv2.INTER_LANCZOS4
    small = cv2.resize(picture, size, interpolation=how)[..., ::-1]
    padded = np.pad(small, ((0, 0), (0, -size[0] % STRIDE), (0, 0)), constant_values=PADDING_GREY)
    return np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32) / np.float32(256) - np.float32(0.5)


def between_bars(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """The rows (from, to) of (H, W, 3) between white bars; more when the input would be too wide."""
    rows = np.nonzero((picture != 255).any((1, 2)))[0]
    height, width = picture.shape[:2]
    if not len(rows):
        return 0, height
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    span = max(bottom - top, -(-width * INPUT_HEIGHT // MAX_INPUT_WIDTH))
    top = min(max(0, top - (span - bottom + top) // 2), height - span)
    return top, top + span


def keypoints(
    pafs: NDArray[np.float32],
    heatmaps: NDArray[np.float32],
    width: int,
    height: int,
    rule: Choice = "largest",
) -> NDArray[np.float32]:
    """The joints of one person, (18, 3) float32: x, y in [0, 1] and the heatmap's score; zeros where missing.

    Of several people, the largest is taken; with the rule "released", the first one found.
    """
    return all_keypoints(pafs, heatmaps, width, height, rule)[0]


def all_keypoints(
    pafs: NDArray[np.float32],
    heatmaps: NDArray[np.float32],
    width: int,
    height: int,
    rule: Choice = "largest",
) -> list[NDArray[np.float32]]:
    """The joints of all people, each as in `keypoints`, the largest first.

    pafs (38, h, w) and heatmaps (19, h, w) are the network's maps for a picture of width×height pixels;
    x·width is a pixel's number. As the released code does, the rule "released" searches whole-pixel peaks in
    fully enlarged maps and keeps the order in which people are found; it takes about ten times as long.
    Raises BadRequest, with advice, when there is no person.
    """
    whole = rule == "released"
    enlarge = partial(_enlarged_to_picture, width=width, height=height) if whole else _enlarged
    peaks = [_peaks(plane, whole) for plane in enlarge(heatmaps[: len(Joint)])]
    people = assemble(peaks, enlarge(pafs))
    if not people:
        raise BadRequest(NO_PERSON)
    # from pixels of the enlarged maps to the unit square
    scale = np.array((width, height)) if whole else UPSCALE / STRIDE * np.array(_input_size(width, height))
    shift = 0 if whole else 0.5 / scale - 0.5 / np.array((width, height))
    found = [_joints(person, peaks) for person in people]
    for joints in found:
        seen = joints[:, 2] > 0
        joints[seen, :2] = np.clip(joints[seen, :2] / scale + shift, 0, 1)
    everyone = [joints.astype(np.float32) for joints in found]
    return everyone if whole else by_size(everyone)


def _input_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the picture in the network's input, before padding."""
    return max(1, int(width * INPUT_HEIGHT / height)), INPUT_HEIGHT


def _enlarged(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps (c, h, w) at UPSCALE times their size, including the padding."""
    return np.stack(
        [cv2.resize(p, None, fx=UPSCALE, fy=UPSCALE, interpolation=cv2.INTER_CUBIC) for p in maps]
    )


def _enlarged_to_picture(maps: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Maps (c, h, w) at the picture's size, as released: enlarged, cut to the input, resized."""
    input_width, input_height = _input_size(width, height)
    enlarged = []
    for plane in maps:
        plane = cv2.resize(plane, None, fx=STRIDE, fy=STRIDE, interpolation=cv2.INTER_LANCZOS4)
        plane = plane[:input_height, :input_width]
        how = cv2.INTER_AREA if width + height < input_width + input_height else cv2.INTER_LANCZOS4
        enlarged.append(cv2.resize(plane, (width, height), interpolation=how))
    return np.stack(enlarged)


def _peaks(plane: NDArray[np.float32], whole: bool) -> Peaks:
    """The local maxima of one enlarged heatmap (h, w), with the heatmap's values as scores.

    `whole` smooths first, keeps whole pixels and all maxima; otherwise the MAX_PEAKS strongest are kept.
    """
    sought = _smoothed(plane) if whole else plane
    edged = np.pad(sought, 1)
    here = edged[1:-1, 1:-1]
    left, right, up, down = edged[1:-1, :-2], edged[1:-1, 2:], edged[:-2, 1:-1], edged[2:, 1:-1]
    y, x = np.nonzero((here > MIN_PEAK) & (here >= left) & (here >= right) & (here >= up) & (here >= down))
    places = np.stack([x, y], 1).astype(np.float64)
    scores = plane[y, x].astype(np.float64)
    if whole:
        return Peaks(places, scores)
    across = _summit(left[y, x], here[y, x], right[y, x])
    places += np.stack([across, _summit(up[y, x], here[y, x], down[y, x])], 1)
    strongest = np.sort(np.argsort(-scores, kind="stable")[:MAX_PEAKS])
    return Peaks(places[strongest], scores[strongest])


def _smoothed(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian smoothing, sigma 3 cut at 4 sigma with mirrored edges, as scipy's gaussian_filter."""
    smoothed = cv2.GaussianBlur(plane, (25, 25), 3, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smoothed, np.float32)


def _summit(
    before: NDArray[np.float32], here: NDArray[np.float32], after: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The position, from −0.5 to 0.5, of the top of the parabola through three neighbours."""
    bend = np.maximum(2.0 * here - before - after, 1e-9)
    return np.clip((after - before) / (2 * bend), -0.5, 0.5)


def _joints(person: Person, peaks: list[Peaks]) -> NDArray[np.float64]:
    """The person's joints in pixels of the enlarged maps, (18, 3): x, y, score; zeros where missing."""
    joints = np.zeros((len(Joint), 3))
    for joint, peak in person.peaks.items():
        joints[joint] = *peaks[joint].places[peak], peaks[joint].scores[peak]
    return joints
