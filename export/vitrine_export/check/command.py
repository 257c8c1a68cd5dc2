"""`vitrine-export check`: reports what a checkpoint contains, lacks and needs before a long export."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from vitrine_export.check.kinds import EXPORTED
from vitrine_export.check.needs import Need
from vitrine_export.check.report import Part, Report, check

HELP = "say what a checkpoint holds, lacks and needs, and what to run next; reads headers only"
EXAMPLES = """\
examples:
  vitrine-export check --checkpoint IDM-VTON
  vitrine-export check --checkpoint IDM-VTON --unet IDM-VTON-DC --json

Exit code 0 where the checkpoint can be exported, 1 where something is missing, damaged or of another kind.
Too little memory or disk on this machine is printed, and does not change the exit code: another machine may
export it."""

GIB = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder to check")
    parser.add_argument("--unet", type=Path, help="folder whose unet/ replaces the checkpoint's (DressCode)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("model_repository"),
        help="model repository that the export will write (default: model_repository)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the report; return 0 if the checkpoint can be exported, else 1."""
    report = check(args.checkpoint, args.unet, args.out)
    if args.json:
        more = {"ok": not report.problems}
        print(json.dumps(more | asdict(report), indent=2))
    else:
        text = "\n".join(lines(report))
        print(text.encode(errors="replace").decode())  # names of files may be no UTF-8
    return int(bool(report.problems))


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of the report as text."""
    yield f"{report.folder}: {report.kind.name}" + (" layout" if report.kind.name in EXPORTED else "")
    yield from map(_part, report.parts)
    yield from (f"unused: {file}" for file in report.unused)
    yield from map(_need, report.needs)
    yield from (f"problem: {problem}" for problem in report.problems)
    yield (
        "can be exported" if not report.problems else f"cannot be exported; problems: {len(report.problems)}"
    )
    yield f"next: {report.next}"


def _part(part: Part) -> str:
    files = part.files[0] if len(part.files) == 1 else f"{part.files[0]} and {len(part.files) - 1} more"
    return (
        f"  {part.name:15} {part.parameters / 1e6:8.1f} M parameters  {part.precision:10} "
        f"{part.size_bytes / 1e6:8.1f} MB  {files}"
    )


def _need(need: Need) -> str:
    if need.available is None:
        there = "none seen here"
    else:
        verdict = "enough" if need.enough else "too little"
        there = f"{need.available / GIB:.1f} GiB available: {verdict}"
    return f"  {need.what} in {need.precision}: {need.needed / GIB:.1f} GiB needed, {there}"
