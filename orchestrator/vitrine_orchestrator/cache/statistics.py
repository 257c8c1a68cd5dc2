"""Statistics of the cache, for one process and for all processes of a host."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from vitrine_orchestrator.cache.disk.process import is_gone, own_name
from vitrine_orchestrator.cache.tier import COUNTERS

PUBLISH_S = 1.0  # a process writes its file at most this often
_RENEWED_S = 3600.0  # unchanged numbers are rewritten after this long, or the file looks abandoned
_KEPT_S = 24 * 3600.0  # a file that was not rewritten for this long is deleted

Numbers = dict[str, float]
Sizes = Mapping[str, Mapping[str, int]]  # {category or "disk": {"entries": count, "bytes": size}}


def statistics(counts: Mapping[str, int], sizes: Sizes) -> Numbers:
    """Counters, rates (shares of all requests), and entries and bytes of each part."""
    numbers: Numbers = dict(counts)
    requests = counts["total_requests"]
    for level in ("l1", "l2", "l3"):
        numbers[f"{level}_hit_rate"] = counts[f"{level}_hits"] / requests if requests else 0.0
    for part, size in sizes.items():
        numbers |= {f"{part}_{what}": number for what, number in size.items()}
    return numbers


class SharedStatistics:
    """Statistics of all processes that share a folder: one small file for each, rewritten at intervals."""

    def __init__(self, folder: Path) -> None:
        """OSError if the folder cannot be created."""
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._path = folder / f"{own_name()}.json"
        self._written_s, self._written = -PUBLISH_S, ""
        self._lock = threading.Lock()  # requests and a periodic task in another thread both write

    def write(self, counts: Mapping[str, int], sizes: Sizes, at_once: bool = False) -> None:
        """Write this process's file, at most once in PUBLISH_S or `at_once`; an OSError is ignored."""
        with self._lock:
            now_s, text = time.monotonic(), json.dumps({"counts": counts, "sizes": sizes})
            age_s = now_s - self._written_s
            if (not at_once and age_s < PUBLISH_S) or (text == self._written and age_s < _RENEWED_S):
                return
            self._written_s, self._written = now_s, text
            draft = self._path.with_suffix(".draft")
            try:
                draft.write_text(text, encoding="utf-8")
                os.replace(draft, self._path)
            except OSError:
                return

    def read(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """Counts and memory sizes, summed over the running processes."""
        counts: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        sizes: dict[str, Counter[str]] = {}
        for path in self.folder.glob("*.json"):
            published = _read(path)
            counts.update(_numbers(published.get("counts")))
            for part, size in _table(published.get("sizes")).items():
                sizes.setdefault(part, Counter()).update(_numbers(size))
        return dict(counts), {part: dict(size) for part, size in sizes.items()}


def _table(value: object) -> dict[str, object]:
    """The value, if it is an object of JSON; else none: another program, or damage, may have written it."""
    return value if isinstance(value, dict) else {}


def _numbers(value: object) -> dict[str, int]:
    return {name: number for name, number in _table(value).items() if type(number) is int}


def _read(path: Path) -> dict[str, object]:
    try:
        if is_gone(path.stem) or time.time() - path.stat().st_mtime > _KEPT_S:
            path.unlink()
            return {}
        return _table(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}
