"""How much shared memory (/dev/shm) a server needs, and how many concurrent requests fit into a given amount.

Triton's Python backend passes every tensor between processes through shared memory. Each model has its own
pool, which grows with the tensors in flight and never shrinks.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.manifest import read_manifests, versions
from vitrine_orchestrator.stages import Tensor, networks, numpy_dtype, stage
from vitrine_orchestrator.stages.idm_vton import HEIGHT, WIDTH

MAX_ACTIVE = stage("try_on").in_flight  # concurrent try-ons
FOLDER = Path("/dev/shm")
FULL = "shared memory pool"  # part of Triton's error (2.51) for a pool that cannot grow

MIB = 2**20
POOL_BYTES = MIB  # the pool of each model before its first request
PHOTO_BYTES = 5 * MIB  # an encoded picture of a phone
PHOTO_COPIES = 3  # one in the pools of try_on and of prepare_person each, and one in the answer
POOL_GROWTH = 2  # a pool is this many times as large as the tensors in it
WARM_UP_GROWTH = 3  # the same for a network's warm-up and for the first try-on
POOLS_PER_CALL = 2  # each call is in the pool of the caller and in that of the called model

# The pictures at the checkpoint's size in one try-on: person, body parts, garment, result.
PICTURES = 4
PERSON_NETWORKS = ("pose", "parsing_atr", "parsing_lip", "densepose", "image_encoder")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Need:
    """The shared memory that a server's models need, in bytes."""

    start: int  # all models loaded and warmed up
    least: int  # start, and one try-on of a small picture; with less the server cannot answer any
    try_on: int  # bytes for each concurrent try-on, including the caller's photo

    def of(self, active: int) -> int:
        """The need with that many concurrent try-ons."""
        return self.start + active * self.try_on

    def fitting(self, free: int) -> int:
        """How many concurrent try-ons fit into `free` bytes: 0 to MAX_ACTIVE."""
        return max(0, min(MAX_ACTIVE, (free - self.start) // self.try_on))


def need(models: Iterable[str], height: int, width: int) -> Need:
    """The need of these models with a checkpoint of that picture size, in pixels.

    start = for each model 1 MiB, or 3 · inputs of a network's warm-up where that is more
    least = start + 3 · (inputs of the person's networks + 4 pictures of the checkpoint's size as FP32)
    try_on = 2 · 2 · (inputs of the person's networks + 4 pictures of the checkpoint's size as FP32)
             + 3 · 5 MiB for the caller's photo
    """
    inputs = {row.name: sum(map(_bytes, row.inputs)) for row in networks()}
    start = sum(max(POOL_BYTES, WARM_UP_GROWTH * inputs.get(name, 0)) for name in models)
    calls = sum(inputs[name] for name in PERSON_NETWORKS) + PICTURES * 3 * height * width * 4
    per_try_on = POOLS_PER_CALL * POOL_GROWTH * calls + PHOTO_COPIES * PHOTO_BYTES
    return Need(start, start + WARM_UP_GROWTH * calls, per_try_on)


def need_of(repository: Path, models: Sequence[str]) -> Need:
    """The need of a repository's models."""
    return need(models, *picture_size(repository))


def picture_size(repository: Path) -> tuple[int, int]:
    """Height and width of the newest release's largest pictures; without a manifest, the small ones."""
    if found := versions(repository, "try_on"):
        try:
            facts = [one.facts for one in read_manifests(repository / "try_on" / str(found[-1])).values()]
            return max((int(one["height"]), int(one["width"])) for one in facts)
        except (Unavailable, KeyError, ValueError):
            pass  # Triton will report what is wrong with the manifest
    return HEIGHT.small, WIDTH.small


def free_bytes(folder: Path = FOLDER) -> int:
    """The free bytes of shared memory."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def shortage(needed: Need, free: int) -> str | None:
    """The warning for a server with `free` bytes that may need more; None when they are enough."""
    if free >= needed.of(MAX_ACTIVE):
        return None
    how = (
        "give it more (docker run --shm-size, shm_size in compose, an emptyDir of medium Memory at /dev/shm)"
    )
    if free < needed.least:
        return f"/dev/shm has {_mib(free)} free, one try-on at a time needs {_mib(needed.least)}: {how}"
    return (
        f"/dev/shm (shared memory) has {_mib(free)} free, {MAX_ACTIVE} try-ons at once need "
        f"{_mib(needed.of(MAX_ACTIVE))}: each model works on at most {max(1, needed.fitting(free))} "
        f"at once, and a request that finds no room is refused as busy. To serve more at once {how}"
    )


def _bytes(tensor: Tensor) -> int:
    """The bytes of a tensor in a warm-up: none where the size is not known, which is not warmed up."""
    dims = (max(dim, 0) if isinstance(dim, int) else dim.small for dim in tensor.dims)
    return prod(dims) * numpy_dtype(tensor).itemsize


def _mib(count: int) -> str:
    return f"{count / MIB:.0f} MiB"


def at_once(repository: Path, models: Sequence[str], free: int) -> int:
    """How many concurrent requests each model may serve with `free` bytes; 0: as many as its config says.

    Logs a warning when the memory is the limit; raises Unavailable when not even one try-on fits.
    """
    if "try_on" not in models:
        return 0  # these are not the project's models, and their need is not known
    needed = need_of(repository, models)
    warning = shortage(needed, free)
    if warning is None:
        return 0
    if free < needed.least:
        raise Unavailable(warning)
    logger.warning("%s", warning)
    return max(1, needed.fitting(free))


def main() -> int:
    """Print `at_once` for the command line's repository and models; docker/serve.sh calls this."""
    repository, models = Path(sys.argv[1]), sys.argv[2:]
    try:
        print(at_once(repository, models, free_bytes()))
    except Unavailable as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
