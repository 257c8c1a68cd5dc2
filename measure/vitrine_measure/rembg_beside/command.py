"""Cuts drawn products out by our pipeline and by rembg in turns, and prints times and errors of both."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest, Unavailable
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.facts import FAMILY
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.calls import OnnxStages
from vitrine_world import shop

HELP = "time our cut-out and rembg's on the same pictures, with the same network"
EXAMPLES = """\
example, with the network that the set-up fetched, whose file is that of rembg's release:
  python3 -m venv build/rembg && build/rembg/bin/pip install "rembg[cpu]"
  vitrine-export beside-rembg --python build/rembg/bin/python --home .venv/cut-out

Both sides read the same PNG files and write alpha; each runs once before it is measured, then in turns. Times
are from the encoded picture to the encoded cut-out. Errors are against the drawn alpha."""

SIZE = (800, 600)
NOISE = 2
NETWORK = "u2netp"


@dataclass
class Side:
    """What one side did."""

    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)

    def add(self, seconds: float, alpha: np.ndarray, truth: np.ndarray) -> None:
        """Count one picture; alphas are (height, width) uint8."""
        one, other = alpha / 255.0, truth / 255.0
        self.seconds.append(seconds)
        self.errors.append(float(np.abs(one - other).mean()))
        self.overlaps.append(float(np.minimum(one, other).sum() / np.maximum(one, other).sum()))

    def told(self, name: str) -> str:
        """One line."""
        return (
            f"{name:8} {np.median(self.seconds) * 1e3:8.0f} ms  mean alpha error {np.mean(self.errors):.4f}"
            f"  IoU {np.mean(self.overlaps):.3f}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--python", type=Path, required=True, help="a Python that has rembg")
    parser.add_argument(
        "--home", type=Path, required=True, help=f"folder with {NETWORK}.onnx, where rembg finds it"
    )
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        help="repository that holds the cut-out network (default: %(default)s)",
    )
    parser.add_argument("--count", type=int, default=16, help="pictures (default 16)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each side (default 1)")


def run(args: argparse.Namespace) -> int:
    """Measure and print; return 0. Unavailable where rembg does not start."""
    if args.count < 1:
        raise BadRequest(f"count must be at least 1, got {args.count}")
    ours, theirs = Side(), Side()
    mine = ours_by(args.repository, args.threads)
    with tempfile.TemporaryDirectory() as folder, _Rembg(args) as rembg:
        for index in range(-1, args.count):
            picture, truth = photograph(index + 1)
            path = Path(folder, f"{index}.png")
            Image.fromarray(picture).save(path)
            for side, cut in ((ours, mine), (theirs, rembg)):
                seconds, alpha = cut(path)
                if index >= 0:  # the first picture opens what each side opens late
                    side.add(seconds, alpha, truth)
    print(
        f"{args.count} drawn photographs of {SIZE[0]}×{SIZE[1]}, {NETWORK}, {args.threads} thread(s) a side"
    )
    print(ours.told("ours"))
    print(theirs.told("rembg"))
    ratio = np.median([one / other for one, other in zip(ours.seconds, theirs.seconds, strict=True)])
    print(f"ours / rembg {ratio:.2f} ×")
    return 0


def ours_by(repository: Path, threads: int) -> Callable[[Path], tuple[float, np.ndarray]]:
    """Our pipeline in this process; Unavailable where the repository has another network."""
    manifest = read_manifest(repository / "cut_out" / "1", FAMILY)
    context = CutOutContext(OnnxStages(repository, threads), manifest)
    if context.facts.network != NETWORK:
        raise Unavailable(
            f"the repository must have {NETWORK}, got {context.facts.network}: run make cut-out"
        )

    def cut(path: Path) -> tuple[float, np.ndarray]:
        inputs = {"image": np.array([path.read_bytes()], np.object_)}
        started = time.perf_counter()
        answer = asyncio.run(cut_out(context, inputs))
        seconds = time.perf_counter() - started
        return seconds, np.asarray(Image.open(io.BytesIO(answer["alpha"][0])))

    return cut


class _Rembg:
    """rembg in a process of its own."""

    def __init__(self, args: argparse.Namespace) -> None:
        words = [args.python, Path(__file__).with_name("their_side.py"), args.home.resolve(), NETWORK]
        self._words = [*map(str, words), str(args.threads)]

    def __enter__(self) -> _Rembg:
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._answer()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(60)

    def __call__(self, path: Path) -> tuple[float, np.ndarray]:
        """Seconds, and the alpha."""
        self._process.stdin.write(f"{path}\n")  # type: ignore[union-attr]
        told = self._answer()
        return float(told["seconds"]), np.asarray(Image.open(told["alpha"]))

    def _answer(self) -> dict[str, str]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise Unavailable(f"{self._words[0]} ended: install rembg for it, and see what it printed")
        answer: dict[str, str] = json.loads(line)
        return answer


def photograph(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn product on a plain ground with a shadow and camera noise, (height, width, 3), and its alpha."""
    draw = np.random.default_rng(index)
    cut = shop.draw(shop.sample(77, index), size=640).cut_out
    shown = Image.fromarray(cut).crop(Image.fromarray(cut[..., 3]).getbbox())
    scale = 0.6 * SIZE[1] / max(shown.size)
    shown = shown.resize((round(shown.width * scale), round(shown.height * scale)), Image.Resampling.HAMMING)
    place = (draw.integers(60, SIZE[0] - 60 - shown.width), SIZE[1] - 70 - shown.height)
    ground = np.full((SIZE[1], SIZE[0], 3), draw.integers(150, 245, 3), np.float32)
    ground *= (1 - 0.15 * np.linspace(0, 1, SIZE[0]))[None, :, None]
    picture = Image.fromarray(ground.astype(np.uint8))
    picture.paste(shown.convert("RGB"), place, shown.getchannel("A"))
    alpha = Image.new("L", SIZE)
    alpha.paste(shown.getchannel("A"), place)
    noisy = np.asarray(picture) + draw.normal(0, NOISE, (SIZE[1], SIZE[0], 3))
    return noisy.clip(0, 255).astype(np.uint8), np.asarray(alpha)
