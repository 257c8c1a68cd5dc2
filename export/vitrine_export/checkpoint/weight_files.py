"""Finds the files of a network's weights: one file, or the shards that an index names. Imports no torch.

As in diffusers, a file without a variant is preferred to one with a variant (`model.bin` before
`model.fp16.safetensors`), and safetensors are preferred to a pickle of the same variant. Where a single file
and an index of shards are both there, diffusers 0.42 reads the shards and transformers 5 the single file: the
stem of the name tells whose component it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.checkpoint.layout import read_json
from vitrine_export.errors import BadCheckpoint

OF_DIFFUSERS = "diffusion_pytorch_model"
STEMS = (OF_DIFFUSERS, "model", "pytorch_model")
"""The names of weight files in diffusers and transformers."""

EXTENSIONS = ("safetensors", "bin")
VARIANTS = ("", "fp32", "ema", "fp16", "bf16", "fp8", "non_ema")
"""Words between stem and extension, in order of preference; "" is a file without one."""

UNFINISHED = (".incomplete", ".part", ".crdownload", ".aria2")
"""Extensions of files that a download has not finished."""

_SHARD = re.compile(r"(?P<whole>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.(?P<extension>safetensors|bin)")


def weight_files(folder: Path, half: bool) -> tuple[Path, ...]:
    """Return the files of a network's weights; `half` prefers files marked fp16.

    Raises BadCheckpoint if there are none, or if a shard or the index of shards is missing.
    """
    order = ("fp16", *(variant for variant in VARIANTS if variant != "fp16")) if half else VARIANTS
    for variant in order:
        for extension in EXTENSIONS:
            for stem in STEMS:
                if found := _of_variant(folder, stem, variant, extension):
                    return found
    raise BadCheckpoint(f"{folder.name}/ {_what_instead(folder)}")


def halves(folder: Path) -> tuple[bool, ...]:
    """Return the values of `half` under which a network has files of its own; raises as weight_files does."""
    return (False,) if weight_files(folder, half=False) == weight_files(folder, half=True) else (False, True)


def _of_variant(folder: Path, stem: str, variant: str, extension: str) -> tuple[Path, ...]:
    """Return the single file, or the shards of an index with either of its names; else ()."""
    single, *indices = names_of(stem, variant, extension)
    for name in (*indices, single) if stem == OF_DIFFUSERS else (single, *indices):
        if not _is_there(folder / name):
            continue
        if name != single:
            return _shards(folder, name)
        ensure_present(folder / single, f"{folder.name}/{single}")
        return (folder / single,)
    return ()


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def names_of(stem: str, variant: str, extension: str) -> tuple[str, ...]:
    """Return the single file's name, then the two possible names of an index."""
    mark = f".{variant}" if variant else ""
    one = f"{stem}{mark}.{extension}"
    return tuple(dict.fromkeys((one, f"{stem}.{extension}.index{mark}.json", f"{one}.index.json")))


def _shards(folder: Path, index: str) -> tuple[Path, ...]:
    """Return the files that an index names; BadCheckpoint if one is missing."""
    label = f"{folder.name}/{index}"
    weight_map = read_json(folder / index, label).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BadCheckpoint(f"{label} has no weight_map, or an empty one; fetch it again")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name:
            raise BadCheckpoint(f"{label} names {name}: a shard must lie next to its index")
    missing = [name for name in names if not _is_there(folder / name)]
    if missing:
        raise BadCheckpoint(
            f"{label} names {', '.join(missing)}, which is not next to it "
            f"({len(missing)} of {len(names)} shards missing); fetch it"
        )
    for name in names:
        ensure_present(folder / name, f"{folder.name}/{name}")
        ensure_real(folder / name, f"{folder.name}/{name}")
    return tuple(folder / name for name in names)


def _what_instead(folder: Path) -> str:
    """Explain, from the names in a folder, why it has no readable weights and what to do."""
    there = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in there if not path.name.startswith("."))
    for name in names:
        if shard := _SHARD.fullmatch(name):
            return f"has {name} but no index of shards: fetch {_index_name(shard)}"
    if unfinished := [name for name in names if name.endswith(UNFINISHED)]:
        return f"has {unfinished[0]}, a download that did not end; fetch it again"
    if others := [name for name in names if may_hold_weights(name)]:
        return (
            f"has no weights under a known name, but {', '.join(others[:3])}: known are "
            f"{STEMS[0]}[.VARIANT].safetensors or .bin with a variant of {', '.join(filter(None, VARIANTS))} "
            f"(or the stems {', '.join(STEMS[1:])}); fetch such a file, or rename it if it is one"
        )
    wanted = ", ".join(f"{stem}.safetensors" for stem in STEMS)
    return f"has no weights: none of {wanted}, nor the same as .bin or with a variant; fetch it"


def _index_name(shard: re.Match[str]) -> str:
    stem, _, variant = shard["whole"].partition(".")
    return names_of(stem, variant, shard["extension"])[1]


def may_hold_weights(name: str) -> bool:
    """Return whether a file of this name may contain weights of any program."""
    return name.endswith((".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".msgpack", ".h5"))
