"""The command: prints the largest differences of every case of a folder, and whether they pass."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from vitrine_export.errors import BadCheckpoint
from vitrine_export.parity import fashn
from vitrine_export.parity.ads import check_ads
from vitrine_export.parity.ads.case import is_ad_folder
from vitrine_export.parity.check import Check, as_json, as_text, worst_of
from vitrine_export.parity.folder import Folder
from vitrine_export.parity.person import check_masks, check_parsing
from vitrine_export.parity.pipes import check_pipes
from vitrine_export.parity.steps import check_steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "folder", type=Path, help="folder of reference arrays: meta.json, weights and .npz cases"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print every check; return 1 if one exceeds its gate, 2 if nothing can be checked."""
    try:
        checks = worst_of(check_any(args.folder))
    except BadCheckpoint as error:
        print(error, file=sys.stderr)
        return 2
    if not checks:
        print(
            "no case found: expected *_unetstep_*.npz, *_pipe_*.npz, masks.npz or schp.npz", file=sys.stderr
        )
        return 2
    print(as_json(checks) if args.json else as_text(checks))
    return 0 if all(check.ok for check in checks) else 1


def check_any(path: Path) -> Iterator[Check]:
    """Yield the checks of a folder of any family."""
    yield from check_ads(path) if is_ad_folder(path) else check_folder(Folder(path))


def check_folder(folder: Folder) -> Iterator[Check]:
    """Yield the checks of every kind of case of the family in meta.json."""
    if fashn.recognised(folder):
        opened = fashn.FashnFolder(folder)
        for check in fashn.KINDS:
            yield from check(opened)
        return
    for kind in (check_steps, check_pipes, check_masks, check_parsing):
        yield from kind(folder)
