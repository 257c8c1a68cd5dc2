"""Checks every part of a checkpoint and collects every problem, without loading weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote

import torch

from vitrine_export.check.kinds import CLIP, PICTURES, TRY_ON, Kind, kind_of
from vitrine_export.check.needs import EXPORTING, Need, needs
from vitrine_export.checkpoint.ads import AdCheckpoint, open_ads
from vitrine_export.checkpoint.clip import TOWERS, ClipCheckpoint, is_clip
from vitrine_export.checkpoint.components import COMPONENTS, empty
from vitrine_export.checkpoint.fashn import NETWORK, WEIGHTS, FashnCheckpoint, is_fashn
from vitrine_export.checkpoint.folder import (
    Checkpoint,
    check_widths,
    chosen_unet,
)
from vitrine_export.checkpoint.layout import TRY_ON_PARTS, files_that_count
from vitrine_export.checkpoint.place import ensure_folder
from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.checkpoint.weight_files import may_hold_weights, weight_files
from vitrine_export.checkpoint.weights import headers
from vitrine_export.errors import BadCheckpoint, refusal
from vitrine_export.exporting.clip import open_tokenizer as open_tokenizer_of_clip
from vitrine_export.exporting.families import export_of, fashn
from vitrine_export.exporting.families.idm_vton import RECIPES
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import check_source
from vitrine_export.exporting.tokenizers import PARTS as TOKENIZERS
from vitrine_export.exporting.tokenizers import encoder_of, ensure_files, open_clip_tokenizer, open_tokenizer

FASHN = "FASHN VTON"
NOT_LOOKED_AT = Kind("not looked at")
NETWORKS = ("unet", "unet_encoder", "image_encoder", "text_encoder", "text_encoder_2", "vae", "pose")
PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.float64: "fp64"}
PRECISIONS |= {torch.float8_e4m3fn: "fp8", torch.float8_e5m2: "fp8"}


@dataclass(frozen=True)
class Part:
    """One network of the checkpoint, as its files describe it."""

    name: str
    files: tuple[str, ...]
    size_bytes: int
    parameters: int
    precision: str  # dtype of its floating-point weights: fp32, or fp32+fp16 if they are mixed


@dataclass
class Report:
    """The result of a check. A checkpoint without problems can be exported."""

    folder: str
    kind: Kind
    parts: list[Part] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # each names a file and the remedy
    unused: list[str] = field(default_factory=list)  # weight files that no network reads
    needs: list[Need] = field(default_factory=list)
    next: str = ""


def check(folder: Path, unet: Path | None, out: Path) -> Report:
    """Check a checkpoint folder; `unet` replaces its unet/, `out` is the target of the export.

    A missing folder is a problem too, and so is a hub's cache folder in place of its snapshot.
    """
    try:
        for given in filter(None, (folder, unet)):
            ensure_folder(given)
    except BadCheckpoint as fault:
        return Report(str(folder), NOT_LOOKED_AT, problems=[str(fault)], next="name the checkpoint's folder")
    if is_fashn(folder):
        return _check_fashn(folder, out)
    if is_clip(folder):
        return _check_clip(folder, out)
    checkpoint = Checkpoint(folder, chosen_unet(folder, unet))
    report = Report(str(folder), kind_of(folder, checkpoint.unet))
    if report.kind.name in PICTURES:
        _look_at_pictures(report, folder, out)
        return report
    if report.kind.name != TRY_ON:
        report.problems.append(f"this is {report.kind.name}, not an {TRY_ON} checkpoint: {report.kind.why}")
        report.next = "fetch yisol/IDM-VTON, or a checkpoint of its layout: see docs/checkpoints.md"
        return report
    _look_at_parts(report, checkpoint)
    pixels = _pixels(report, checkpoint)
    if len(report.parts) == len(NETWORKS):
        report.needs = needs({part.name: part.parameters for part in report.parts}, pixels, out)
    report.next = _next(report, unet, out)
    return report


def _check_fashn(folder: Path, out: Path) -> Report:
    """Check a FASHN VTON checkpoint: one network, and the files of the networks that find people."""
    checkpoint, report = FashnCheckpoint(folder), Report(str(folder), Kind(FASHN))
    _note(report, lambda: report.parts.append(_part(FASHN, (folder / WEIGHTS,), folder.name)))
    _note(report, lambda: checkpoint.verify([NETWORK]))
    for recipe in fashn.RECIPES:
        _note(report, partial(_fashn_source, checkpoint, recipe))
    _facts(report, checkpoint)
    report.next = _next(report, None, out)
    return report


def _fashn_source(checkpoint: FashnCheckpoint, recipe: Recipe) -> None:
    """Check the file of an adopted stage; an optional one may be missing."""
    if recipe.source and (not recipe.present or checkpoint.has_file(recipe.stage)):
        check_source(checkpoint, recipe)


def _check_clip(folder: Path, out: Path) -> Report:
    """Check a CLIP checkpoint: both towers, which are in one file, and the tokenizer."""
    checkpoint, report = ClipCheckpoint(folder), Report(str(folder), Kind(CLIP))
    _note(report, lambda: report.parts.append(_part(CLIP, weight_files(folder, half=False), folder.name)))
    for tower in TOWERS:
        _note(report, partial(checkpoint.verify, [tower]))
    _note(report, partial(open_tokenizer_of_clip, checkpoint))
    _facts(report, checkpoint)
    report.next = _next(report, None, out)
    return report


def _look_at_parts(report: Report, checkpoint: Checkpoint) -> None:
    missing = [part for part in TRY_ON_PARTS if part != "unet" and not (checkpoint.folder / part).is_dir()]
    report.problems += [f"{part}/ is missing; fetch the folder" for part in missing]
    used: set[Path] = set()
    for name in NETWORKS:
        if name not in missing:
            _note(report, partial(_network, report, checkpoint, name, used))
    for part in TOKENIZERS:
        if part not in missing:
            _note(report, partial(_tokenizer, checkpoint, part, alone=encoder_of(part) in missing))
    if "scheduler" not in missing:
        _note(report, lambda: checkpoint.scheduler)
    if not report.problems:
        _note(report, lambda: check_widths(checkpoint))
        _facts(report, checkpoint)
    for recipe in RECIPES:
        if recipe.source:
            _note(report, partial(check_source, checkpoint, recipe))
    _note(report, lambda: report.unused.extend(_unused(report, checkpoint, used)))


def _look_at_pictures(report: Report, folder: Path, out: Path) -> None:
    """Check the networks, the scheduler and the settings of a checkpoint for pictures, from headers."""
    try:
        checkpoint = open_ads(folder)
    except BadCheckpoint as fault:
        report.problems.append(str(fault))
    else:
        for part in checkpoint.kind.networks:
            _note(report, partial(_picture_network, report, checkpoint, part))
        for part in checkpoint.kind.tokenizers:
            _note(report, partial(open_tokenizer, checkpoint, part, encoder_of(part)))
        _note(report, lambda: checkpoint.scheduler)
        _note(report, lambda: checkpoint.settings)
        _facts(report, checkpoint)
    report.next = _next(report, None, out)


def _picture_network(report: Report, checkpoint: AdCheckpoint, part: str) -> None:
    """Add a network, from the headers of its files."""
    files = weight_files(checkpoint.folder / part, half=False)
    report.parts.append(_part(part, files, part))
    checkpoint.verify([part])


def _note(report: Report, look: Callable[[], object]) -> None:
    """Run one check and collect its fault; a file that the system refuses is one too."""
    try:
        look()
    except (BadCheckpoint, OSError) as fault:
        told = refusal(fault) if isinstance(fault, OSError) else str(fault)
        if told not in report.problems:
            report.problems.append(told)


def _facts(report: Report, checkpoint: AnyCheckpoint) -> None:
    """Read what the manifest will say, as an export does before any work."""
    _note(report, lambda: export_of(checkpoint.family).facts(checkpoint, {}))


def _network(report: Report, checkpoint: Checkpoint, name: str, used: set[Path]) -> None:
    """Add a network, from the headers of the files that are read for float32."""
    config, files, part = checkpoint.sources(name, half=False)
    used.update(files)
    report.parts.append(_part(name, files, part))
    empty(COMPONENTS[name], config, files, part)
    half = checkpoint.sources(name, half=True)
    if half[1] != files:
        used.update(half[1])
        empty(COMPONENTS[name], *half)


def _tokenizer(checkpoint: Checkpoint, part: str, alone: bool) -> None:
    """Open a tokenizer; `alone`, without its text encoder, only its files are looked at."""
    if alone:
        ensure_files(checkpoint.folder / part, part)
    else:
        open_clip_tokenizer(checkpoint, part)


def _part(name: str, files: tuple[Path, ...], part: str) -> Part:
    kinds: Counter[str] = Counter()
    for file in files:
        for tensor in headers(file, f"{part}/{file.name}").values():
            if tensor.is_floating_point():
                kinds[PRECISIONS.get(tensor.dtype, str(tensor.dtype))] += tensor.numel()
    return Part(
        name,
        tuple(f"{part}/{file.name}" for file in files),
        sum(file.stat().st_size for file in files),
        sum(kinds.values()),
        "+".join(kind for kind, _ in kinds.most_common()) or "none",
    )


def _unused(report: Report, checkpoint: Checkpoint, used: set[Path]) -> Iterable[str]:
    """Return unread weight files in the folders of the networks; digests include them."""
    parts = {part.name for part in report.parts} - {"pose"}
    for name, path in files_that_count(checkpoint.folder, checkpoint.unet):
        if name.partition("/")[0] in parts and may_hold_weights(path.name) and path not in used:
            yield f"{name} ({path.stat().st_size / 2**20:.1f} MiB)"


def _pixels(report: Report, checkpoint: Checkpoint) -> int:
    found = [0]
    _note(report, lambda: found.append(checkpoint.settings.width * checkpoint.settings.height))
    return found[-1]


def _next(report: Report, unet: Path | None, out: Path) -> str:
    """Return the next command to run: in fp16 if the machine lacks the memory for fp32."""
    given = quote(report.folder) + (f" --unet {quote(str(unet))}" if unet else "")
    if report.problems:
        return f"mend what is listed, then: vitrine-export check --checkpoint {given}"
    command = f"vitrine-export onnx --checkpoint {given} --out {quote(str(out))}"
    export = [need for need in report.needs if need.what in EXPORTING]
    fitting = {p for p in ("fp32", "fp16") if all(need.enough for need in export if need.precision == p)}
    if "fp32" in fitting:
        return command
    half = f"{command} --precision denoise=fp16 text_encoder=fp16 text_encoder_2=fp16 image_encoder=fp16"
    return half if "fp16" in fitting else f"on a machine with more memory or disk: {half}"
