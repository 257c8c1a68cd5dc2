"""Writes docs/reference.md from the code: `python docs/make_reference.py`. A test fails for a stale page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from vitrine import errors
from vitrine.errors import TimedOut, VitrineError
from vitrine.photos.refusals import IsText, TooLarge, Unreadable
from vitrine.store_calls import NoAnswer
from vitrine_export.errors import BadCheckpoint, ExportFailed, NothingNew, ReleaseFailed
from vitrine_measure.perf.tool import PerfFailed
from vitrine_orchestrator.adapters.metrics import METRIC_FAMILIES
from vitrine_orchestrator.adapters.programs import PROGRAMS
from vitrine_orchestrator.batching.metrics import FIGURES, Figure
from vitrine_orchestrator.configs import PROFILES, profiles
from vitrine_orchestrator.residency.figures import FIGURES as MEMORY
from vitrine_orchestrator.settings import PREFIX, BadSettings, Settings
from vitrine_orchestrator.stages import STAGES, Dim, Size, Stage, Tensor, sizes

REFERENCE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

This page is written from the code by `python docs/make_reference.py`; do not edit it. How to call the models:
[calling.md](calling.md). How to run them: [operations.md](operations.md).
"""

STATUSES = {  # a TritonError's code → HTTP status, gRPC status
    "INTERNAL": ("500", "INTERNAL"),
    "INVALID_ARG": ("400", "INVALID_ARGUMENT"),
    "NOT_FOUND": ("404", "NOT_FOUND"),
    "UNAVAILABLE": ("503", "UNAVAILABLE"),
    "CANCELLED": ("499", "CANCELLED"),
}
OF_CLIENT = {TimedOut: ("– (client side)", "DEADLINE_EXCEEDED")}  # of what no server sends

OF_PICTURES = (TooLarge, Unreadable, IsText)
OF_STORES = (NoAnswer,)
OF_COMMANDS = (BadSettings, BadCheckpoint, ExportFailed, ReleaseFailed, NothingNew, PerfFailed)


def reference() -> str:
    """The whole page."""
    parts = [HEAD, *_models(), *_sizes(), *_settings(), *_errors(), *_metrics()]
    return "\n".join(parts)


def _models() -> Iterator[str]:
    yield "## Models\n"
    yield (
        "*Batch*: the most rows that Triton joins in one call (–: the model batches by itself or not at "
        "all). *Queue*: the most requests that wait; further ones are refused as busy. *In flight*: requests "
        "that the model works on at the same time.\n"
    )
    head = ("model", "families", "backend", "batch", "waits for others", "queue", "in flight", "profiles")
    yield _table(head, (_summary(stage) for stage in STAGES))
    for stage in STAGES:
        yield f"### `{stage.name}`\n"
        if stage.decoupled:
            yield "Many responses for one request: gRPC streams and HTTP `generate_stream` only.\n"
        rows = [("in", *_tensor(tensor)) for tensor in stage.inputs]
        rows += [("out", *_tensor(tensor)) for tensor in stage.outputs]
        yield _table(("", "tensor", "type", "shape", ""), rows)


def _summary(stage: Stage) -> tuple[str, ...]:
    own = set(profiles(stage))
    return (
        f"[`{stage.name}`](#{stage.name})",
        ", ".join(f"`{family}`" for family in stage.families) or "–",
        stage.backend,
        str(stage.max_batch) if stage.max_batch else "–",
        f"{stage.queue.delay_us} µs" if stage.max_batch else "–",
        f"{stage.queue.size}, {stage.queue.timeout_us // 1_000_000} s",
        str(stage.in_flight) if stage.in_flight else "–",
        ", ".join(name for name in PROFILES if name in own),
    )


def _tensor(tensor: Tensor) -> tuple[str, ...]:
    dtype = "BYTES" if tensor.dtype == "STRING" else tensor.dtype
    return (f"`{tensor.name}`", dtype, f"({_shape(tensor)})", "optional" if tensor.optional else "")


def _shape(tensor: Tensor) -> str:
    """The shape without the batch."""
    return ", ".join(_dim(dim) for dim in tensor.dims)


def _dim(dim: Dim) -> str:
    if isinstance(dim, Size):
        return dim.name
    return "any" if dim == -1 else str(dim)


def _sizes() -> Iterator[str]:
    yield "## Sizes\n\nOf the checkpoint or the request, in pixels; engines are built for least to most.\n"
    families = dict.fromkeys(family for stage in STAGES for family in stage.families)
    rows = [
        (f"`{size.name}`", f"`{family}`", *map(str, (size.least, size.small, size.usual, size.most)))
        for family in families
        for size in sizes(family).values()
    ]
    yield _table(("size", "family", "least", "small checkpoint", "released checkpoint", "most"), rows)


def _settings() -> Iterator[str]:
    yield "## Settings\n\nEnvironment variables, read when a model starts; an unknown name stops it.\n"
    rows = []
    for field in fields(Settings):
        rules = []
        if field.metadata.get("least") is not None:
            rules.append(f"at least {field.metadata['least']}")
        if field.metadata.get("words"):
            rules.append(" or ".join(f"`{word}`" for word in field.metadata["words"]))
        default = "" if field.default in (None, "") else f"`{field.default}`"
        rows.append(
            (f"`{PREFIX}{field.name.upper()}`", default, str(field.metadata["meaning"]), ", ".join(rules))
        )
    yield _table(("variable", "default", "meaning", "must be"), rows)


def _errors() -> Iterator[str]:
    yield (
        "## Errors\n\nA message begins with the word of its class, since Triton has fewer codes than there "
        "are classes: `busy: 64 jobs are in flight, the limit is 64`.\n"
    )
    rows = []
    for kind in error_classes():
        http, grpc = OF_CLIENT.get(kind) or STATUSES[kind.code]
        rows.append((f"`{kind.__name__}`", f"`{kind.word}`", http, f"`{grpc}`", _meaning(kind)))
    yield _table(("class", "word", "HTTP", "gRPC", "meaning"), rows)
    yield "The reader of pictures tells these kinds of `BadRequest` apart, the wire does not.\n"
    yield _table(("class", "meaning"), ((f"`{kind.__name__}`", _meaning(kind)) for kind in OF_PICTURES))
    yield "A kind of `Unavailable` in the client, of a store of finished pictures.\n"
    yield _table(("class", "meaning"), ((f"`{kind.__name__}`", _meaning(kind)) for kind in OF_STORES))
    yield "These never cross the wire: they stop a command, or a model's start.\n"
    yield _table(("class", "meaning"), ((f"`{kind.__name__}`", _meaning(kind)) for kind in OF_COMMANDS))


def _meaning(kind: type[VitrineError]) -> str:
    return " ".join(str(kind.__doc__).split())


def error_classes() -> list[type[VitrineError]]:
    """Every class of the tree in vitrine.errors, as defined there."""
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return [kind for kind in found if issubclass(kind, VitrineError)]


def _metrics() -> Iterator[str]:
    yield "## Metrics\n\nThese are on the metrics port, next to Triton's own. All have the label `model`.\n"
    rows = [(f.name, f.kind, ", ".join(f.labels), f.about) for f in METRIC_FAMILIES]
    rows += [(f.name, f.kind, f.label, f.about) for f in (*FIGURES, *program_figures(), *MEMORY)]
    yield _table(
        ("metric", "kind", "labels", "meaning"),
        ((f"`{name}`", kind.lower(), labels, about) for name, kind, labels, about in rows),
    )


def program_figures() -> list[Figure]:
    """What the programs of all families count; families that share a figure have one row of it."""
    return list({figure.name: figure for row in PROGRAMS.values() for figure in row.figures}.values())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the page; no arguments are taken."""
    parser = argparse.ArgumentParser(
        prog="python docs/make_reference.py", description="Writes docs/reference.md from the code."
    )
    parser.parse_args()
    REFERENCE.write_text(reference())


if __name__ == "__main__":
    main()
