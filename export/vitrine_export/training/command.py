"""`vitrine-export train`: the paper-doll checkpoint from seeds."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train the paper-doll checkpoint from seeds (2.5 hours on 2 cores; continues where it was stopped)"
PERSON_STAGES = ("parsing_atr", "parsing_lip", "densepose", "pose")
STAGES = (*PERSON_STAGES, "vae", "tryon")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--out", type=Path, default=Path("checkpoints/paper-doll"), help="checkpoint folder to write"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("build/train"), help="where the run keeps its state"
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="train these only")


def run(args: argparse.Namespace) -> int:
    """Train the asked stages in order and write each into the checkpoint folder."""
    from vitrine_orchestrator.person.parsing import ATR_SIZE, LIP_SIZE

    from vitrine_export.training import finish, latents, person, save, tryon, vae

    args.state.mkdir(parents=True, exist_ok=True)
    for name, side in (("parsing_atr", ATR_SIZE), ("parsing_lip", LIP_SIZE)):
        if name in args.stages:
            save.save_parsing(name, person.train_parsing(name, args.state), side, args.out)
    if "densepose" in args.stages:
        save.save_densepose(person.train_densepose(args.state), args.out)
    if "pose" in args.stages:
        save.save_pose(person.train_pose(args.state), args.out)
    if {"vae", "tryon"} & set(args.stages):
        trained = vae.train_vae(args.state)
        print(f"vae: mean error {100 * vae.mean_error(trained):.2f} % of the range")
    if "tryon" in args.stages:
        nets = tryon.train_tryon(latents.prepare(trained, args.state / "latents"), args.state)
        unseen = latents.prepare(trained, args.state / "latents", latents.FRESH)
        finish.finish(nets, trained, unseen, args.state)
        save.save_nets(nets, trained, args.out)
    return 0
