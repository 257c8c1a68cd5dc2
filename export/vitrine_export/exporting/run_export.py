"""Runs an export: writes several files concurrently and reports each when it is done."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vitrine_export.checkpoint.layout import read_json
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.families import export_of
from vitrine_export.exporting.onnx_file import files_of, remove
from vitrine_export.exporting.order import Order, Work
from vitrine_export.exporting.record import write_manifest
from vitrine_export.exporting.stage_files import Done, check_source, export_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """Files of one stage that one call writes."""

    stage: str
    files: tuple[str, ...]


def carry_out(work: Work, jobs: int) -> None:
    """Export every stale stage. The manifest records each when it is done: an interruption loses little.

    `jobs` processes write files concurrently; with 1, this process writes all and loads the nets of a stage
    once. A failed stage leaves no file and does not stop the others. Raises BadCheckpoint, before anything is
    written, if a network does not fit its config, and ExportFailed at the end if a stage failed.
    """
    _check(work.order, work.stale)
    for stage in work.stale:
        work.record.forget(stage)
    failures = _Run(work).finish(jobs)
    if failures:
        raise ExportFailed("; ".join(failures))


def _check(order: Order, stages: tuple[str, ...]) -> None:
    """Raise BadCheckpoint for what an export would stop at, before minutes are spent on correct networks.

    That is each network's headers, the facts of the manifest, and the files of adopted stages.
    """
    rows = [order.recipe(stage) for stage in stages]
    order.checkpoint.verify(dict.fromkeys(name for row in rows for name in row.needs))
    export_of(order.checkpoint.family).facts(order.checkpoint, {})
    for row in rows:
        if row.source:
            check_source(order.checkpoint, row)
        if "vae" in row.needs and order.precision_of(row.stage) == "fp16":
            _warn_of_overflow(order.checkpoint.folder, row.stage)


def _warn_of_overflow(folder: Path, stage: str) -> None:
    """Warn of a VAE in fp16 whose config says that it needs fp32."""
    if read_json(folder / "vae" / "config.json", "vae/config.json").get("force_upcast"):
        log.warning(
            "vae/config.json has force_upcast true: in fp16 its numbers may overflow, and then every picture "
            "fails; export %s in fp32 unless you have compared its pictures",
            stage,
        )


class _Run:
    """The state of an export: the number of unfinished tasks per stage, and the failures."""

    def __init__(self, work: Work) -> None:
        self.order, self.record, self.stale = work.order, work.record, work.stale
        self.awaited: Counter[str] = Counter()
        self.failures: dict[str, str] = {}

    def finish(self, jobs: int) -> list[str]:
        """Run all tasks; return one sentence per failed stage."""
        tasks = self._tasks(split=jobs > 1)
        self.awaited.update(task.stage for task in tasks)
        with tqdm(total=len(self.stale), unit="stage", desc="export") as bar:
            for stage, end in _ends(self.order, tasks, jobs):
                self._take(stage, end, bar)
        return list(self.failures.values())

    def _tasks(self, split: bool) -> list[Task]:
        """Return a task per stage; `split` gives a task per graph, the largest first, to end them together.

        Tasks without a network come first: their errors end the export before minutes are spent.
        """
        whole = [Task(stage, self.order.files_of(stage)) for stage in self.stale]
        quick = [task for task in whole if self.order.recipe(task.stage).is_quick]
        graphs = [task for task in whole if task not in quick]
        if split:
            graphs = [Task(task.stage, (file,)) for task in reversed(graphs) for file in reversed(task.files)]
        return quick + graphs

    def _take(self, stage: str, end: Future[list[Done]], bar: tqdm) -> None:
        """Record the end of one task; after the last task of a stage, record or remove the stage."""
        self.awaited[stage] -= 1
        try:
            for done in end.result():
                self.record.tokens = done.tokens or self.record.tokens
                bar.write(str(done))
        except ExportFailed as failure:
            self.failures.setdefault(stage, str(failure))
            bar.write(str(failure))
        if not self.awaited[stage]:
            self._keep(stage, self.order.files_of(stage), bar)

    def _keep(self, stage: str, files: tuple[str, ...], bar: tqdm) -> None:
        order = self.order
        paths = [path for file in files for path in files_of(order.repository / file)]
        if stage in self.failures:
            for path in paths:  # an incomplete set of graphs is useless
                remove(path)
        else:
            self.record.add(stage, order.precision_of(stage), paths, order.repository)
        write_manifest(order.repository, order.checkpoint, self.record)
        bar.update()


def _ends(order: Order, tasks: list[Task], jobs: int) -> Iterator[tuple[str, Future[list[Done]]]]:
    """Yield each task's stage and future, in the order of their ends."""
    here = [task for task in tasks if jobs == 1 or order.recipe(task.stage).is_quick]
    yield from ((task.stage, _here(order, task)) for task in here)
    others = [task for task in tasks if task not in here]
    if not others:
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    executor = ProcessPoolExecutor(jobs, mp_context=spawn)
    try:
        stages = {executor.submit(export_files, order, task.stage, task.files): task.stage for task in others}
        yield from ((stages[end], end) for end in as_completed(stages))
    finally:
        executor.shutdown(cancel_futures=True)


def _here(order: Order, task: Task) -> Future[list[Done]]:
    """Run the task in this process and return its future."""
    end: Future[list[Done]] = Future()
    try:
        end.set_result(export_files(order, task.stage, task.files))
    except ExportFailed as failure:
        end.set_exception(failure)
    return end
