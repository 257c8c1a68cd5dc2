"""Does the work of an export: file after file, several at a time, each told as it is done."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tqdm import tqdm

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.onnx_file import files_of, remove
from vitrine_export.exporting.order import Order, Work
from vitrine_export.exporting.recipes import recipe
from vitrine_export.exporting.record import write_manifest
from vitrine_export.exporting.stage_files import Done, export_files, source_of


@dataclass(frozen=True)
class Task:
    """Files of one stage that are made together."""

    stage: str
    files: tuple[str, ...]


def carry_out(work: Work, jobs: int) -> None:
    """Export every stale stage; the manifest tells of each as soon as it is done: a stop loses little.

    `jobs` files are made at a time, each in a process; with 1 all are made in this one, and the nets of a
    stage are loaded once. A stage that fails leaves no file and does not stop the others. Raises
    BadCheckpoint before anything is written where a network does not fit, ExportFailed at the end where a
    stage failed.
    """
    _check(work.order.checkpoint, work.stale)
    for stage in work.stale:
        work.record.forget(stage)
    failures = _Run(work).finish(jobs)
    if failures:
        raise ExportFailed("; ".join(failures))


def _check(checkpoint: Checkpoint, stages: tuple[str, ...]) -> None:
    """Refuse a checkpoint before minutes go into the stages that it does have right."""
    rows = [recipe(stage) for stage in stages]
    checkpoint.verify(dict.fromkeys(name for row in rows for name in row.needs))
    for row in rows:
        if row.source:
            source_of(checkpoint, row)


class _Run:
    """What is under way: how many tasks each stage still waits for, and what went wrong."""

    def __init__(self, work: Work) -> None:
        self.order, self.record, self.stale = work.order, work.record, work.stale
        self.awaited: Counter[str] = Counter()
        self.failures: dict[str, str] = {}

    def finish(self, jobs: int) -> list[str]:
        """Do everything; the failures, one sentence for each stage that failed."""
        tasks = self._tasks(split=jobs > 1)
        self.awaited.update(task.stage for task in tasks)
        with tqdm(total=len(self.stale), unit="stage", desc="export") as bar:
            for stage, end in _ends(self.order, tasks, jobs):
                self._take(stage, end, bar)
        return list(self.failures.values())

    def _tasks(self, split: bool) -> list[Task]:
        """A task for each stage; with `split` one for each graph, the largest first, to end them together.

        What needs no network comes first: a mistake there ends the export before minutes are spent.
        """
        whole = [Task(stage, self.order.files_of(stage)) for stage in self.stale]
        quick = [task for task in whole if recipe(task.stage).is_quick]
        graphs = [task for task in whole if task not in quick]
        if split:
            graphs = [Task(task.stage, (file,)) for task in reversed(graphs) for file in reversed(task.files)]
        return quick + graphs

    def _take(self, stage: str, end: Future[list[Done]], bar: tqdm) -> None:
        """Note the end of one task; with the last of a stage keep the stage or remove it."""
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
            for path in paths:  # half of a set of graphs is none
                remove(path)
        else:
            self.record.add(stage, order.precision_of(stage), paths, order.repository)
        write_manifest(order.repository, order.checkpoint, self.record)
        bar.update()


def _ends(order: Order, tasks: list[Task], jobs: int) -> Iterator[tuple[str, Future[list[Done]]]]:
    """Each task's stage and end, in the order in which they end."""
    here = [task for task in tasks if jobs == 1 or recipe(task.stage).is_quick]
    yield from ((task.stage, _here(order, task)) for task in here)
    apart = [task for task in tasks if task not in here]
    if not apart:
        return
    afresh = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    executor = ProcessPoolExecutor(jobs, mp_context=afresh)
    try:
        stages = {executor.submit(export_files, order, task.stage, task.files): task.stage for task in apart}
        yield from ((stages[end], end) for end in as_completed(stages))
    finally:
        executor.shutdown(cancel_futures=True)


def _here(order: Order, task: Task) -> Future[list[Done]]:
    """The task done in this process."""
    end: Future[list[Done]] = Future()
    try:
        end.set_result(export_files(order, task.stage, task.files))
    except ExportFailed as failure:
        end.set_exception(failure)
    return end
