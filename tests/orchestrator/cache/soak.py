"""Processes that share one disk folder are killed at random while they put, read and invalidate.

usage: soak.py FOLDER STEPS SEED [MUTANT]

A value names its key and how many invalidations of its owner had begun when its lease was taken, and ends
with a digest of itself. A reader notes how many had been reported as done before its get. Prints as JSON:
kills, failed (workers that raised), reads (hits), damaged (corrupt files met), wrong (not a value of this
key), stale (older than a reported invalidation), overshoot (times the limit was passed by more than a value
for each worker), left (drafts after a restart) and sum_error (of the counted size, in bytes).
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from cache_mutants import MUTANTS
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.key import Key, owner

WORKERS, OWNERS, NAMES = 3, 4, 8
SIZES = (100, 5_000, 60_000)
MAX_BYTES = 200_000
COUNTS = ("reads", "damaged", "wrong", "stale", "overshoot")


def value_of(key: Key, begun: int, size: int) -> bytes:
    """A value that holds its own key, invalidation count and digest."""
    head = json.dumps([key.category, key.owner, key.name, begun]).encode().ljust(200)
    body = head + os.urandom(8) * (size // 8)
    return body + hashlib.sha256(body).digest()


def fault_of(value: bytes, key: Key, done: int) -> str | None:
    """What is wrong with a value that was read, if anything."""
    body, digest = value[:-32], value[-32:]
    if hashlib.sha256(body).digest() != digest:
        return "wrong"
    *names, begun = json.loads(body[:200])
    if names != [key.category, key.owner, key.name]:
        return "wrong"
    return "stale" if begun < done else None


class Log:
    """Counts that outlive the counting process: each is a byte appended to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str) -> None:
        """Add one."""
        fd = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, b".")
        os.close(fd)

    def count(self, name: str) -> int:
        """The count so far."""
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0


def work(root: Path, log: Log, seed: int, invalidates: bool) -> None:
    """One worker's life, until it is killed."""
    dice, disk, damaged = random.Random(seed), Disk(root, max_bytes=MAX_BYTES), 0
    while True:
        person = dice.randrange(OWNERS)
        key = Key("dresses", owner("person", str(person)), f"recipe {dice.randrange(NAMES)}")
        chance = dice.random()
        if invalidates and chance < 0.1:
            log.add(f"begun {person}")
            disk.remove(key.owner)
            log.add(f"done {person}")
        elif chance < 0.5:
            lease = disk.read(key).lease
            disk.write(key, value_of(key, log.count(f"begun {person}"), dice.choice(SIZES)), lease)
            if disk.sizes()["bytes"] > MAX_BYTES + WORKERS * max(SIZES):
                log.add("overshoot")
        else:
            done = log.count(f"done {person}")
            if (value := disk.read(key).value) is not None:
                log.add("reads")
                if fault := fault_of(value, key, done):
                    log.add(fault)
        while damaged < disk.counters["corrupt"]:
            log.add("damaged")
            damaged += 1
        log.add("steps")


def spawn(root: Path, log: Log, seed: int, number: int) -> int:
    """Fork a worker; only number 0 invalidates, so that its counts are ordered."""
    if (pid := os.fork()) == 0:
        try:
            work(root, log, seed, number == 0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return pid


def kill(pid: int) -> bool:
    """Kill a worker by SIGKILL; returns whether it had already ended, which is a fault."""
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] != signal.SIGKILL


def main(root: Path, steps: int, seed: int, mutant: str | None) -> None:
    """Kill workers in turn, each after some steps of all, until there were enough kills."""
    if mutant:
        MUTANTS[mutant](setattr)
    dice, log, kills, failed = random.Random(seed), Log(root.with_name("log")), 0, 0
    workers = [spawn(root, log, seed + n, n) for n in range(WORKERS)]
    while not failed and log.count("steps") < steps:
        due = log.count("steps") + dice.randrange(1, 60)
        give_up = time.monotonic() + 10  # a worker may be stuck in what the mutant broke
        while log.count("steps") < due and time.monotonic() < give_up:
            time.sleep(dice.uniform(0.001, 0.01))
        victim = dice.randrange(WORKERS)
        failed += kill(workers[victim])
        kills += 1
        workers[victim] = spawn(root, log, seed + 1000 * kills, victim)
    failed += sum(kill(pid) for pid in workers)
    disk = Disk(root, max_bytes=MAX_BYTES)
    left = len(list(disk.folder.drafts.iterdir()))
    sums = disk.space.used() - disk.sizes()["bytes"]
    told = {name: log.count(name) for name in COUNTS}
    print(json.dumps({"kills": kills, "failed": failed, "left": left, "sum_error": sums} | told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
