"""Maps keys of LoRA files to the linears of a net: PEFT, kohya, ComfyUI, and joined query, keys and values.

A key consists of a linear's name and a role. Tables of patterns map names to the net's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

Role = Literal["down", "up", "alpha"]

ROLES: Final[tuple[tuple[str, Role], ...]] = (
    (".lora_A.weight", "down"),
    (".lora_B.weight", "up"),
    (".lora_A.default.weight", "down"),
    (".lora_B.default.weight", "up"),
    (".lora_down.weight", "down"),
    (".lora_up.weight", "up"),
    (".lora.down.weight", "down"),
    (".lora.up.weight", "up"),
    (".alpha", "alpha"),
)
"""The suffixes of keys, and the roles of their tensors."""

PREFIXES: Final = ("base_model.model.", "transformer.", "diffusion_model.", "lora_unet_", "lora_transformer_")
"""Prefixes that a file may put before a linear's name."""

SPELLINGS: Final[tuple[tuple[str, str], ...]] = (
    (r"\.attention\.out$", ".attention.to_out.0"),
    (r"\.(attention|attn)\.to_out$", r".\1.to_out.0"),
    (r"\.attention\.w([qkv])$", r".attention.to_\1"),
    (r"\.attention\.wo$", ".attention.to_out.0"),
    (r"^double_blocks\.(\d+)\.img_attn\.proj$", r"transformer_blocks.\1.attn.to_out.0"),
    (r"^double_blocks\.(\d+)\.txt_attn\.proj$", r"transformer_blocks.\1.attn.to_add_out"),
    (r"^double_blocks\.(\d+)\.img_mlp\.0$", r"transformer_blocks.\1.ff.net.0.proj"),
    (r"^double_blocks\.(\d+)\.img_mlp\.2$", r"transformer_blocks.\1.ff.net.2"),
    (r"^double_blocks\.(\d+)\.txt_mlp\.0$", r"transformer_blocks.\1.ff_context.net.0.proj"),
    (r"^double_blocks\.(\d+)\.txt_mlp\.2$", r"transformer_blocks.\1.ff_context.net.2"),
    (r"^double_blocks\.(\d+)\.img_mod\.lin$", r"transformer_blocks.\1.norm1.linear"),
    (r"^double_blocks\.(\d+)\.txt_mod\.lin$", r"transformer_blocks.\1.norm1_context.linear"),
    (r"^single_blocks\.(\d+)\.linear2$", r"single_transformer_blocks.\1.proj_out"),
    (r"^single_blocks\.(\d+)\.modulation\.lin$", r"single_transformer_blocks.\1.norm.linear"),
)
"""Other names of one linear, and the net's name."""

FUSED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"\.attention\.(?:to_)?qkv$", (".attention.to_q", ".attention.to_k", ".attention.to_v")),
    (
        r"^double_blocks\.(\d+)\.img_attn\.qkv$",
        tuple(rf"transformer_blocks.\1.attn.to_{part}" for part in "qkv"),
    ),
    (
        r"^double_blocks\.(\d+)\.txt_attn\.qkv$",
        tuple(rf"transformer_blocks.\1.attn.add_{part}_proj" for part in "qkv"),
    ),
    (
        r"^single_blocks\.(\d+)\.linear1$",
        (
            *(rf"single_transformer_blocks.\1.attn.to_{part}" for part in "qkv"),
            r"single_transformer_blocks.\1.proj_mlp",
        ),
    ),
)
"""Linears that a file joins into one, in the order of their outputs."""


def parted(key: str) -> tuple[str, Role] | None:
    """Return a key's name, without prefixes, and its role; None for a key of another form."""
    for ending, role in ROLES:
        if key.endswith(ending):
            name = key.removesuffix(ending)
            for prefix in PREFIXES:
                name = name.removeprefix(prefix)
            return name, role
    return None


def underscored(names: Iterable[str]) -> Mapping[str, str]:
    """Map kohya's spelling of each name to the name; kohya writes dots as underscores, which is ambiguous."""
    found: dict[str, str] = {}
    for name in (*names, *_other_names(names)):
        found[name.replace(".", "_")] = name
    return found


def linears_of(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the net's linears for a name in a file, in the order of their outputs; () if unknown."""
    for pattern, parts in FUSED:
        if re.search(pattern, name):
            found = tuple(re.sub(pattern, part, name) for part in parts)
            return found if set(found) <= set(known) else ()
    for pattern, spelling in SPELLINGS:
        name = re.sub(pattern, spelling, name)
    return (name,) if name in set(known) else ()


def _other_names(names: Iterable[str]) -> Iterable[str]:
    """Yield every other name that a file may use: of Z-Image's attention and FLUX's first code."""
    for name in names:
        if match := re.match(r"^(.*\.attention)\.to_q$", name):
            yield from (
                f"{match[1]}.{stem}" for stem in ("qkv", "to_qkv", "out", "to_out", "wq", "wk", "wv", "wo")
            )
        if match := re.match(r"^transformer_blocks\.(\d+)\.attn\.to_q$", name):
            for stream in ("img", "txt"):
                stems = ("attn.qkv", "attn.proj", "mlp.0", "mlp.2", "mod.lin")
                yield from (f"double_blocks.{match[1]}.{stream}_{stem}" for stem in stems)
        if match := re.match(r"^single_transformer_blocks\.(\d+)\.attn\.to_q$", name):
            yield from (
                f"single_blocks.{match[1]}.{stem}" for stem in ("linear1", "linear2", "modulation.lin")
            )
        if name.endswith(".attn.to_out.0"):
            yield name.removesuffix(".0")
