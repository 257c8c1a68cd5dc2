"""`vitrine-export trial`: writes, checks, exports and serves a checkpoint with random weights, timed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from vitrine import TryOn, Vitrine
from vitrine_export.errors import ExportFailed
from vitrine_export.sizes import picture_size
from vitrine_orchestrator.embedded.server import SOURCE, EmbeddedTriton
from vitrine_world import dolls

from vitrine_measure.trial.memory import PeakMemory
from vitrine_measure.trial.sizes import TRIAL_SIZES

HELP = "make a checkpoint with random weights, check, export and serve it, and make one try-on"
EXAMPLES = """\
examples:
  vitrine-export trial --out build/trial
  vitrine-export trial --out build/trial --size wide
  vitrine-export trial --out build/trial --picture 384x512

Serving 768x1024 on the CPU takes 19 GB of memory (docs/checkpoints.md); smaller pictures take less.

Measures the time, memory and disk that a real checkpoint would take on this machine, without having one. The
person networks and tokenizers are those of --person; all other weights are random, so the picture is noise
inside the mask."""

MIB = 2**20
SEED = 2026  # seed of the doll


@dataclass(frozen=True)
class Step:
    """The time, peak memory and written bytes of one step."""

    name: str
    seconds: float
    peak_bytes: int
    written_bytes: int = 0

    def __str__(self) -> str:
        written = f" · {self.written_bytes / MIB:7.0f} MiB written" if self.written_bytes else ""
        return f"{self.name:12} {self.seconds:7.1f} s · peak {self.peak_bytes / MIB:6.0f} MiB{written}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", type=Path, required=True, help="folder of all files; replaced")
    parser.add_argument(
        "--size", choices=tuple(TRIAL_SIZES), default="half", help="size of the networks (default: half)"
    )
    parser.add_argument(
        "--picture",
        type=picture_size,
        default=(768, 1024),
        metavar="WxH",
        help="size of the pictures in pixels (default: 768x1024)",
    )
    parser.add_argument("--steps", type=int, default=2, help="denoising steps (default 2)")
    parser.add_argument(
        "--person",
        type=Path,
        default=Path("checkpoints/paper-doll"),
        help="checkpoint whose person networks and tokenizers are used (default checkpoints/paper-doll)",
    )
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for the try-on (default 1800)")
    parser.add_argument("--only-make", action="store_true", help="write the checkpoint and stop")


def run(args: argparse.Namespace) -> int:
    """Run and time every step; return 0. Raises ExportFailed if one fails."""
    checkpoint, repository = args.out / "checkpoint", args.out / "model_repository"
    if args.only_make:
        from vitrine_measure.trial.checkpoint import write_checkpoint  # torch takes seconds to import

        write_checkpoint(checkpoint, TRIAL_SIZES[args.size], args.person, args.picture)
        return 0
    shutil.rmtree(args.out, ignore_errors=True)
    shutil.copytree(
        SOURCE / "model_repository", repository, ignore=shutil.ignore_patterns("*.onnx*", "*.json")
    )
    picture = f"{args.picture[0]}x{args.picture[1]}"
    make = ["trial", "--out", args.out, "--size", args.size, "--picture", picture, "--person", args.person]
    _command("make", [*make, "--only-make"], checkpoint)
    _command("check", ["check", "--checkpoint", checkpoint])
    _command("onnx", ["onnx", "--checkpoint", checkpoint, "--out", repository, "--jobs", "1"], repository)
    _serve(args, repository)
    return 0


def _command(name: str, words: list[object], written: Path | None = None) -> None:
    """Run and time a subcommand in a new process, so that its peak memory is measured alone."""
    code = "import sys; from vitrine_export.command import main; sys.exit(main(sys.argv[1:]))"
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)])
    with PeakMemory(process.pid) as memory:
        ended = process.wait()
    if ended:
        raise ExportFailed(f"the step {name} ended with {ended} (-9: out of memory)")
    size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file()) if written else 0
    print(Step(name, time.perf_counter() - started, memory.peak_bytes, size), flush=True)


def _serve(args: argparse.Namespace, repository: Path) -> None:
    """Start the embedded Triton and request two try-ons of the same person and garment, with two seeds."""
    sample = dolls.sample(SEED, 0, "upper_body")
    person, garment = dolls.draw_person(sample.person), dolls.draw_garment(sample.garment)
    large = [Image.fromarray(drawn).resize(args.picture) for drawn in (person, garment)]
    started = time.perf_counter()
    with EmbeddedTriton(repository, log=args.out / "triton.log") as triton, Vitrine(triton.grpc) as vitrine:
        print(f"{'serve':12} {time.perf_counter() - started:7.1f} s until every model is loaded", flush=True)
        for name, seed in (("try-on", 7), ("again", 8)):
            result = _timed(
                name,
                triton.pid,
                partial(
                    vitrine.try_on,
                    person=large[0],
                    garment=large[1],
                    description=sample.garment.description,
                    seed=seed,
                    steps=args.steps,
                    timeout_s=args.timeout,
                ),
            )
            result.image.save(args.out / f"{name}.png")
            timings = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result.timings.items())
            print(
                f"{'':12} {result.image.size[0]}×{result.image.size[1]}; seconds by stage: {timings}",
                flush=True,
            )


def _timed(name: str, pid: int, call: Callable[[], TryOn]) -> TryOn:
    """Return the result of a call; print its time and the peak memory of the process tree of `pid`."""
    started = time.perf_counter()
    with PeakMemory(pid) as memory:
        result = call()
    print(Step(name, time.perf_counter() - started, memory.peak_bytes), flush=True)
    return result
