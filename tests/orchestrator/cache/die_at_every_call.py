"""Dies at each call of a short use of the disk tier in turn, and checks what the next start finds.

Prints the deaths, the damaged values seen with the product's writer, and those seen with a writer in place.
It is a process of its own because it forks.
"""

import os
import sys
from pathlib import Path

from cache_faults import UNSYNCED, FaultyOs
from vitrine_orchestrator.cache.disk.files import Folder
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.key import Key, owner

COAT, HAT = (Key("garment", owner("garment", name), "latents") for name in ("coat", "hat"))
OLD, NEW = bytes(50_000), bytes(range(250)) * 200


class InPlace(Folder):
    """A mutant that writes the entry in place, in pieces."""

    def write(self, key, header, value, use):
        """Like Folder.write, without a draft."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = self._os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for part in (header, value[:30_000], value[30_000:]):
            self._os.write(fd, part)
        self._os.close(fd)


def use(root: Path, faulty: FaultyOs, in_place: bool) -> None:
    """The work of the dying process: replace one value, add one, forget one and record that in a file."""
    disk = Disk(root, calls=faulty)
    if in_place:
        disk.folder = InPlace(root, faulty)
    for key in (HAT, COAT):
        disk.write(key, NEW, disk.read(key).lease)
    disk.remove(COAT.owner)
    os.close(os.open(root / "reported", os.O_CREAT))


def die_once(root: Path, n: int, in_place: bool) -> tuple[bool, int]:
    """Run once; returns whether the process died, and the damaged values found afterwards."""
    first = Disk(root, calls=UNSYNCED)
    first.write(HAT, OLD, first.read(HAT).lease)
    if (child := os.fork()) == 0:
        use(root, FaultyOs("kill", at=n), in_place)
        os._exit(0)
    died = os.waitpid(child, 0)[1] != 0
    disk = Disk(root, calls=UNSYNCED)
    assert list(disk.folder.drafts.iterdir()) == [], "a draft was left"
    assert disk.space.used() == disk.sizes()["bytes"], "a wrong sum was left"
    coat, hat = disk.read(COAT).value, disk.read(HAT).value
    assert hat in (None, OLD, NEW), "a wrong value"
    assert coat in (None, NEW), "a wrong value"
    assert not ((root / "reported").exists() and coat), "a forgotten value came back"
    return died, disk.counters["corrupt"]


def main(root: Path) -> None:
    """Try every n until the process survives, with both writers."""
    deaths, damaged = 0, {False: 0, True: 0}
    for in_place in (False, True):
        died, n = True, 0
        while died:
            n += 1
            died, seen = die_once(root / f"{in_place}-{n}", n, in_place)
            deaths, damaged[in_place] = deaths + died, damaged[in_place] + seen
    print(deaths, damaged[False], damaged[True])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
