"""Operates a server under load: reloads models, publishes and withdraws releases."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path

import onnx
from tritonclient.utils import InferenceServerException
from vitrine.errors import VitrineError, one_line
from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.release import folders
from vitrine_export.release.loading import leave, load
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.manifest import FILE, manifest_text, read_releases
from vitrine_orchestrator.stages import STAGES

CHANGED = "vae_decoder"  # the model that changes in a release
OPERATIONS = (
    ("load again", "vae_decoder"),
    ("publish", ""),
    ("load again", "try_on"),
    ("load again", "text_encoder"),
    ("withdraw", ""),
    ("load again", "denoise"),
    ("load again", "prepare_person"),
)


class Operator:
    """Performs operations, one after the other, on a server whose repository may be changed.

    `done` counts the operations, `failed` has a sentence for each failed one.
    """

    def __init__(self, server: EmbeddedTriton, folder: Path) -> None:
        """`folder` is an empty folder for releases to publish."""
        self._server, self._repository = server, server.repository
        self._source = folder / "next"
        self._numbers, self._release = count(1), 0
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        shutil.copytree(self._repository, self._source)

    async def work(self, every_s: float, over: asyncio.Event) -> None:
        """Perform an operation every `every_s` seconds until `over` is set; one release remains."""
        for what, model in cycle(OPERATIONS):
            try:
                await asyncio.wait_for(over.wait(), every_s)
            except TimeoutError:
                await asyncio.to_thread(self._do, what, model)
            else:
                break
        if self._release:
            await asyncio.to_thread(self._do, "withdraw", "")

    def _do(self, what: str, model: str) -> None:
        operations: dict[str, Callable[[str], None]] = {
            "load again": self._server.replace,
            "publish": self._publish,
            "withdraw": self._withdraw,
        }
        try:
            operations[what](model)
        except (VitrineError, InferenceServerException, OSError) as error:
            self.failed.append(f"{f'{what} {model}'.strip()}: {one_line(error)}")
        else:
            self.done[what] += 1

    def _publish(self, _: str) -> None:
        _change(self._source, f"release {next(self._numbers)} of a load")
        release = folders.planned(self._source, self._repository)
        folders.add(release, self._source, self._repository)
        self._release = release.version
        load(self._server.grpc, {}, release.models, _quiet)

    def _withdraw(self, _: str) -> None:
        version, self._release = self._release, 0
        leave(self._server.grpc, {}, folders.withdraw(version, self._repository), _quiet)


def _quiet(_: str) -> None:
    """Discard a message."""


def _change(source: Path, text: str) -> None:
    """Change an exported repository so that its digests differ but its pictures do not."""
    path = source / CHANGED / "1" / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    model.doc_string = text
    onnx.save(model, path)
    for manifest in (source / row.name / "1" / FILE for row in STAGES if row.families):
        if not manifest.exists():
            continue
        entries = read_releases(manifest.parent)
        for entry in entries.values():
            if f"{CHANGED}/1/{path.name}" in entry["files"]:
                entry["files"][f"{CHANGED}/1/{path.name}"] = file_digest(path)
        manifest.write_text(manifest_text(entries))
