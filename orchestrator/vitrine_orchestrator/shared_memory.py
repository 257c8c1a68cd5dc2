"""How much shared memory (/dev/shm) a server needs, and how many requests at once fit into what there is.

Triton's Python backend passes every tensor between processes through it. Each model has a part of its own,
which grows with what is under way and never shrinks.
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

from vitrine_orchestrator.manifest import read_manifest, versions
from vitrine_orchestrator.stages import SIZES, Tensor, networks, numpy_dtype, stage

AT_WORK = stage("try_on").in_flight  # try-ons
FOLDER = Path("/dev/shm")
FULL = "shared memory pool"  # in Triton's sentence (2.51) for a part that cannot grow

MIB = 2**20
PART = MIB  # of each model before its first request
PHOTO = 5 * MIB  # an encoded picture as a phone takes it
PHOTO_COPIES = 3  # in the parts of try_on and prepare_person, and the answer
SPARE = 2  # a part is this much larger than what is in it at one time
WARM = 3  # the same for a network's warm-up, and for the first try-on
ENDS = 2  # each call is in the part of the caller and in that of the called

# The pictures of the checkpoint's size in one try-on: person and its body, garment, result.
PICTURES = 4
PERSON_NETWORKS = ("pose", "parsing_atr", "parsing_lip", "densepose", "image_encoder")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Need:
    """What a server's models take of shared memory, in bytes."""

    start: int  # loaded and warm
    least: int  # and with one try-on of a small picture: with less the server would be of no use
    try_on: int  # more for each try-on under way, photo included

    def of(self, at_once: int) -> int:
        """With so many try-ons under way."""
        return self.start + at_once * self.try_on

    def fitting(self, there: int) -> int:
        """How many try-ons at once fit into `there` bytes: 0 to AT_WORK."""
        return max(0, min(AT_WORK, (there - self.start) // self.try_on))


def need(models: Iterable[str], height: int, width: int) -> Need:
    """The need of these models with a checkpoint of that picture size, in pixels.

    start = for each model 1 MiB, or 3 · inputs of a network's warm-up where that is more
    least = start + 3 · (inputs of the person's networks + 4 pictures of the checkpoint's size as FP32)
    try_on = 2 · 2 · (inputs of the person's networks + 4 pictures of the checkpoint's size as FP32)
             + 3 · 5 MiB for the caller's photo
    """
    inputs = {row.name: sum(map(_bytes, row.inputs)) for row in networks()}
    start = sum(max(PART, WARM * inputs.get(name, 0)) for name in models)
    calls = sum(inputs[name] for name in PERSON_NETWORKS) + PICTURES * 3 * height * width * 4
    return Need(start, start + WARM * calls, ENDS * SPARE * calls + PHOTO_COPIES * PHOTO)


def need_of(repository: Path, models: Sequence[str]) -> Need:
    """The need of a repository's models."""
    return need(models, *picture_size(repository))


def picture_size(repository: Path) -> tuple[int, int]:
    """Height and width of the newest release's pictures; the small checkpoint's where no manifest says."""
    if found := versions(repository, "try_on"):
        try:
            manifest = read_manifest(repository / "try_on" / str(found[-1]))
            return int(manifest.facts["height"]), int(manifest.facts["width"])
        except (Unavailable, KeyError, ValueError):
            pass  # Triton will say what is wrong with it
    return SIZES["height"].doll, SIZES["width"].doll


def free_bytes(folder: Path = FOLDER) -> int:
    """What is free in shared memory."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize


def complaint(needed: Need, there: int) -> str | None:
    """What to say of a server that has `there` bytes and may need more; None when they are enough."""
    if there >= needed.of(AT_WORK):
        return None
    how = (
        "give it more (docker run --shm-size, shm_size in compose, an emptyDir of medium Memory at /dev/shm)"
    )
    if there < needed.least:
        return f"/dev/shm has {_mib(there)} free, one try-on at a time needs {_mib(needed.least)}: {how}"
    return (
        f"/dev/shm (shared memory) has {_mib(there)} free, {AT_WORK} try-ons at once need "
        f"{_mib(needed.of(AT_WORK))}: each model works on at most {max(1, needed.fitting(there))} at once, "
        f"and a request that finds no room is refused as busy. To serve more at once {how}"
    )


def _bytes(tensor: Tensor) -> int:
    dims = (dim if isinstance(dim, int) else SIZES[dim].doll for dim in tensor.dims)
    return prod(dims) * numpy_dtype(tensor).itemsize


def _mib(count: int) -> str:
    return f"{count / MIB:.0f} MiB"


def at_once(repository: Path, models: Sequence[str], there: int) -> int:
    """How many requests at once each model may work on with `there` bytes; 0: as many as its config says.

    Logs a warning where that is a limit; raises Unavailable where not even one try-on fits.
    """
    if "try_on" not in models:
        return 0  # not the project's models: their need is not known
    needed = need_of(repository, models)
    said = complaint(needed, there)
    if said is None:
        return 0
    if there < needed.least:
        raise Unavailable(said)
    logger.warning("%s", said)
    return max(1, needed.fitting(there))


def main() -> int:
    """For docker/serve.sh: print `at_once` of the repository named on the command line."""
    repository = Path(sys.argv[1])
    models = [path.parent.name for path in repository.glob("*/config.pbtxt")]
    try:
        print(at_once(repository, models, free_bytes()))
    except Unavailable as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
