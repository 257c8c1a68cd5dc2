"""Compares masks and human parsing with the arrays of the released preprocessing."""

from collections.abc import Iterator

import numpy as np
from vitrine_orchestrator.person import parsing
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.person.mask import ARM_WIDTH, Rule, inpainting_mask

from vitrine_export.parity.check import Check, compared, counted
from vitrine_export.parity.folder import Arrays, Folder, arrays

KEYPOINTS_SIZE = (384, 512)  # (width, height) that the stored keypoints refer to
SIZES = {"mask": (384, 512), "mask1024": (768, 1024)}


def check_masks(folder: Folder) -> Iterator[Check]:
    """Check every mask of masks.npz: `PERSON_RULE_CATEGORY_mask` from `PERSON_parse` and `PERSON_kp`."""
    if not (file := folder.file("masks.npz")):
        return
    stored = arrays(file)
    for person in _people(stored, "_parse"):
        for rule in ARM_WIDTH:
            for category in CATEGORIES:
                for suffix, size in SIZES.items():
                    key = f"{person}_{rule}_{category}_{suffix}"
                    if key in stored:
                        yield _check_mask(stored, person, rule, category, key, size)


def _check_mask(
    stored: Arrays, person: str, rule: Rule, category: Category, key: str, size: tuple[int, int]
) -> Check:
    places = stored[f"{person}_kp"] / KEYPOINTS_SIZE
    keypoints = np.concatenate([places, np.ones((len(places), 1))], axis=1)
    width, height = size
    labels = stored[f"{person}_parse"].astype(np.uint8)
    ours = inpainting_mask(labels, keypoints, category, rule, exact=True, width=width, height=height)
    theirs = np.unpackbits(stored[key])[: width * height].reshape(height, width) * 255
    return counted("masks", key, ours, theirs)


def check_parsing(folder: Folder) -> Iterator[Check]:
    """Check network inputs and the merged label map of every picture of schp.npz."""
    if not (file := folder.file("schp.npz")):
        return
    stored = arrays(file)
    for person in _people(stored, "_rgb"):
        picture = stored[f"{person}_rgb"]
        for name in ("atr", "lip"):
            if (wanted := stored.get(f"{person}_{name}_input")) is not None:
                ours = parsing.network_input(picture, wanted.shape[-1])
                yield compared(
                    "schp", "numpy", f"{person} {name} input", "noise", ours, np.squeeze(wanted, 0)
                )
        height, width = picture.shape[:2]
        atr, lip = (stored[f"{person}_{name}_logits"] for name in ("atr", "lip"))
        labels = parsing.merged_labels(atr, lip, width, height)
        yield counted("schp", f"{person} labels", labels, stored[f"{person}_parse"])


def _people(stored: Arrays, suffix: str) -> list[str]:
    return [key.removesuffix(suffix) for key in stored if key.endswith(suffix)]
