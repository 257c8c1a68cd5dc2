"""What decides how long a job takes, as a short text: jobs of equal texts take about equally long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIMED = ("model", "steps", "width", "height", "aspect_ratio", "strength", "scheduler", "guidance", "previews")
"""Options that change the time of a job."""
MAX_WORK = 100


def work_of(request: Mapping[str, Any], pictures: Mapping[str, int]) -> str:
    """Return the text of a job's request; `pictures` is the number of pictures by input name."""
    counts = {name: max(count, 1) for name, count in pictures.items()}
    if request["garment_ids"]:
        counts["garment"] = len(request["garment_ids"])
    told = [f"{name}:{count}" for name, count in sorted(counts.items())]
    told += [f"{name}={request['options'][name]}" for name in TIMED if name in request["options"]]
    return " ".join(told)[:MAX_WORK]
