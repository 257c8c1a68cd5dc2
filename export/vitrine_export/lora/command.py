"""`vitrine-export lora`: fits a LoRA file to a checkpoint, and puts it into a server's registry."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file
from vitrine_orchestrator.loras.registry import CARD, NAME, TENSORS, Card

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.checkpoint.digest import file_digest
from vitrine_export.errors import BadCheckpoint
from vitrine_export.lora.file import Adapter, ensure_file, read_adapter
from vitrine_export.lora.slot import slot_of
from vitrine_export.nets.dit.lora_rows import Sites

HELP = "Fit a LoRA file to a checkpoint and put it into a registry folder, which VITRINE_LORA_FOLDER names."
EXAMPLES = f"""\
example:
  vitrine-export lora --checkpoint Z-Image-Turbo --file night.safetensors --name night --licence Apache-2.0 \\
    --trigger "night style" --registry loras

The file is a safetensors file of rank {LORA_RANK} or less, with the keys of PEFT, kohya, ComfyUI or
diffusers. It is refused, with the keys named, when one of them fits no linear of the transformer. An adapter
of that name is replaced."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the base, as exported")
    parser.add_argument("--file", type=Path, required=True, help="the LoRA file, .safetensors")
    parser.add_argument("--name", type=_name, required=True, help="by which requests ask for it")
    parser.add_argument("--licence", required=True, help="of the file")
    parser.add_argument("--trigger", nargs="*", default=[], help="words that prompts need for it")
    parser.add_argument("--registry", type=Path, required=True, help="folder of the registry")


def run(args: argparse.Namespace) -> int:
    """Write the adapter's folder and return 0. Raises BadCheckpoint for a file that does not fit."""
    ensure_file(args.file)
    checkpoint = open_ads(args.checkpoint)
    sites: Sites = checkpoint.empty("transformer").sites
    adapter = read_adapter(args.file, sites)
    card = register(
        adapter,
        sites,
        args.registry / args.name,
        family=checkpoint.family,
        base=checkpoint.digest(),
        licence=args.licence,
        trigger_words=tuple(args.trigger),
    )
    print(f"{args.name}: rank {card.rank}, {len(adapter.pairs)} of {len(sites.linears)} linears")
    return 0


def register(
    adapter: Adapter,
    sites: Sites,
    folder: Path,
    *,
    family: str,
    base: str,
    licence: str,
    trigger_words: tuple[str, ...] = (),
) -> Card:
    """Write an adapter's folder of a registry with one rename; `base` is the checkpoint's digest.

    Raises BadCheckpoint for a rank above LORA_RANK, which no server could put into a slot.
    """
    if adapter.rank > LORA_RANK:
        raise BadCheckpoint(
            f"{folder.name}: its rank must be 1 to {LORA_RANK}, that of a slot in the exported graph, got "
            f"{adapter.rank}; resize it to {LORA_RANK}, or train it so"
        )
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    down, up = slot_of(sites, adapter.rank, [(adapter, 1.0)])
    save_file({"down": down.contiguous(), "up": up.contiguous()}, draft / TENSORS)
    card = Card(
        name=folder.name,
        family=family,
        base=base,
        digest=file_digest(draft / TENSORS),
        rank=adapter.rank,
        trigger_words=trigger_words,
        licence=licence,
    )
    (draft / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return card


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be of letters, digits, '.', '_' and '-', got {text!r}")
    return text
