"""Compares sizes, resizes, pose pictures, people and masks with reference arrays, in numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from vitrine_orchestrator.fashn import canvas, dwpose, masks, pose_picture

from vitrine_export.parity.check import Check, compared
from vitrine_export.parity.fashn.folder import FashnFolder
from vitrine_export.parity.folder import Arrays


def check_sizes(folder: FashnFolder) -> Iterator[Check]:
    """Check the sizes of both resizes, and resized pictures."""
    for _, case, given in folder.cases("sizes"):
        ours = [_size_row(int(row[0]), int(row[1])) for row in given["table"]]
        yield compared(case, "numpy", "table", "exact", ours, given["table"])
    for _, case, given in folder.cases("resize"):
        size, side = (int(given["target"][0]), int(given["target"][1])), int(given["box"])
        for key in (key for key in given if key.startswith("picture_")):
            yield from _resized(case, given, key.removeprefix("picture_"), size, side)


def _size_row(width: int, height: int) -> list[int]:
    first = canvas.first_size((width, height))
    second = canvas.second_size(first)
    padding = canvas.Padding.of(second)
    sides = [padding.left, padding.top, padding.right, padding.bottom]
    return [width, height, *first, *second, *sides]


def _resized(case: str, given: Arrays, number: str, size: canvas.Size, side: int) -> Iterator[Check]:
    first = canvas.shrunk(given[f"picture_{number}"], side)
    second, padding = canvas.on_canvas(first, size)
    pose, _ = canvas.on_canvas(given[f"pose_first_{number}"], size, pose=True)
    sides = [padding.left, padding.top, padding.right, padding.bottom]
    for quantity, ours, kind in (
        ("first", first, "resized"),
        ("second", second, "resized"),
        ("padding", sides, "exact"),
        ("unpadded", padding.cut(second), "resized"),
        ("pose_second", pose, "resized"),
        ("tensor", canvas.as_tensor(second), "tensor"),
    ):
        wanted = given[f"{quantity}_{number}"]
        yield compared(case, "numpy", f"{quantity}_{number}", kind, ours, wanted)  # type: ignore[arg-type]


def check_poses(folder: FashnFolder) -> Iterator[Check]:
    """Check pose pictures of given joints."""
    for _, case, given in folder.cases(r"pose_.*"):
        parts = {"hands": given["hands"], "face": given["faces"][0]} if "hands" in given else {}
        pose = pose_picture.Pose(given["candidate"], given["subset"][0], **parts)
        height, width = given["picture"].shape
        ours = pose_picture.draw(pose, width, height)
        yield compared(case, "numpy", "picture", "exact", ours, given["picture"])


def check_people(folder: FashnFolder) -> Iterator[Check]:
    """Check the chosen person and the pose picture, from a picture and the outputs of the two networks."""
    for _, case, given in folder.cases(r".*dwpose_chain"):
        picture = given["picture"]
        height, width = picture.shape[:2]
        square, scale = dwpose.letterbox(picture)
        yield compared(case, "numpy", "letterbox", "resized", square, given["letterbox"])
        boxes = dwpose.person_boxes(given["raw_detections"], scale)
        yield compared(case, "numpy", "boxes", "points", boxes, given["boxes"])
        crops = [dwpose.crop_of(box) for box in dwpose.boxes_or_whole(boxes, width, height)]
        for number, (centre, size) in enumerate(crops):
            ours = dwpose.warped(picture, centre, size)
            yield compared(case, "numpy", f"warped_{number}", "resized", ours, given["warped"][number])
        answers = zip(given["simcc_x"], given["simcc_y"], crops, strict=True)
        found = [dwpose.joints_of(x, y, *crop) for x, y, crop in answers]
        points, scores = (np.stack(part) for part in zip(*found, strict=True))
        yield compared(case, "numpy", "points", "points", points, given["points"])
        yield compared(case, "numpy", "scores", "tensor", scores, given["scores"])
        yield from _chosen(case, given, dwpose.largest_person(points, scores, width, height), (width, height))


def _chosen(case: str, given: Arrays, pose: pose_picture.Pose, size: canvas.Size) -> Iterator[Check]:
    parts = {
        "pose_candidate": (pose.body, given["pose_candidate"]),
        "pose_subset": (pose.subset, given["pose_subset"][0]),
        "pose_hands": (pose.hands, given["pose_hands"]),
        "pose_faces": (pose.face, given["pose_faces"][0]),
    }
    for quantity, (ours, theirs) in parts.items():
        yield compared(case, "numpy", quantity, "shares", ours, theirs)
    yield compared(case, "numpy", "drawn", "exact", pose_picture.draw(pose, *size), given["drawn"])


def check_masks(folder: FashnFolder) -> Iterator[Check]:
    """Check masks of label maps, the person with masked clothes, and the isolated garment."""
    for _, case, given in folder.cases(r"mask_.*"):
        category = str(given["category"])
        found = masks.person_masks(given["labels"], category)
        for key in (key for key in given if key.startswith("mask_")):
            ours = getattr(found, key.removeprefix("mask_"))
            yield compared(case, "numpy", key, "exact", ours, given[key])
        agnostic = masks.greyed(given["picture"], found.grey)
        yield compared(case, "numpy", "agnostic", "exact", agnostic, given["agnostic"])
        garment = masks.garment_only(given["picture"], given["labels"], category)
        yield compared(case, "numpy", "garment", "exact", garment, given["garment"])
