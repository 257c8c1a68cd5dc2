"""`vitrine-export train`: trains the small checkpoints (dolls of two families, a shop) from seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

    from vitrine_export.training.tryon import Nets

HELP = (
    "train the small checkpoints from seeds (under 3 hours each on 2 cores; continues where it was stopped)"
)
PERSON_STAGES = ("parsing_atr", "parsing_lip", "densepose", "pose")
SHOP_STAGES = ("shop_checkers", "shop_cut_out", "shop_clip", "shop_vae", "shop_pictures", "shop_styles")
FASHN_STAGES = ("fashn_people", "fashn_tryon")
STAGES = (*PERSON_STAGES, "vae", "tryon", *FASHN_STAGES, *SHOP_STAGES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--out", type=Path, default=Path("checkpoints/paper-doll"), help="the dolls' folder to write"
    )
    parser.add_argument(
        "--fashn-out",
        type=Path,
        default=Path("checkpoints/paper-doll-fashn"),
        help="the folder of FASHN VTON's dolls to write",
    )
    parser.add_argument(
        "--shop-out", type=Path, default=Path("checkpoints/paper-shop"), help="the shop's folder to write"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("build/train"), help="folder of the unfinished run's state"
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="train this checkpoint further: the decoder, then all try-on nets with it (needs a new --state)",
    )
    parser.add_argument(
        "--until",
        type=int,
        metavar="STEP",
        help="end the last phase of shop_vae and shop_pictures before this step and write averaged weights"
        " (0: write what the state holds)",
    )
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=STAGES, help="stages to train (default: all)"
    )


def run(args: argparse.Namespace) -> int:
    """Train the requested stages in order, write each into the checkpoint folder, and return 0."""
    args.state.mkdir(parents=True, exist_ok=True)
    if args.start:
        _improve(args.start, args.state, args.out)
        return 0
    _train_person(args.stages, args.state, args.out)
    if {"vae", "tryon"} & set(args.stages):
        _train_pictures("tryon" in args.stages, args.state, args.out)
    _train_fashn(args.stages, args.state, args.out, args.fashn_out)
    _train_shop(args.stages, args.state, args.shop_out, args.until)
    return 0


def _train_person(stages: Sequence[str], state: Path, out: Path) -> None:
    from vitrine_orchestrator.person.parsing import ATR_SIZE, LIP_SIZE

    from vitrine_export.training import person, save

    for name, side in (("parsing_atr", ATR_SIZE), ("parsing_lip", LIP_SIZE)):
        if name in stages:
            save.save_parsing(name, person.train_parsing(name, state), side, out)
    if "densepose" in stages:
        save.save_densepose(person.train_densepose(state), out)
    if "pose" in stages:
        save.save_pose(person.train_pose(state), out)


def _train_fashn(stages: Sequence[str], state: Path, dolls: Path, out: Path) -> None:
    """Train FASHN VTON's networks; joints are found by the pose network of the checkpoint `dolls`."""
    if "fashn_people" in stages:
        from vitrine_export.training import people, save

        save.save_people(people.train_detector(state), people.joints_of(dolls), out)
    if "fashn_tryon" in stages:
        from vitrine_export.training.fashn.save import save_fashn
        from vitrine_export.training.fashn.train import train_fashn

        save_fashn(train_fashn(state), out)


def _train_shop(stages: Sequence[str], state: Path, out: Path, until: int | None) -> None:
    from vitrine_export.training.shop import checkers, cut_out, save

    if "shop_checkers" in stages:
        save.save_checker(checkers.train_checker(state), out)
    if "shop_cut_out" in stages:
        save.save_cut_out(cut_out.train_cut_out(state), out)
    if "shop_clip" in stages:
        from vitrine_export.training.shop import clip

        save.save_clip(clip.train_clip(state), out)
    if {"shop_vae", "shop_pictures"} & set(stages):
        _train_shop_pictures(stages, state, out, until)
    if "shop_styles" in stages:
        from vitrine_export.training.shop import styles

        styles.train_styles(out, state)


def _train_shop_pictures(stages: Sequence[str], state: Path, out: Path, until: int | None) -> None:
    """Train the shop's VAE, and the networks that make pictures on the latents of its encoder.

    The encoder is trained first and then stays, so decoder and generator may be trained side by side.
    """
    from vitrine_export.training.shop import generator, save, scenes, vae

    codec = vae.train_codec(state)
    if "shop_pictures" in stages:
        sets = partial(scenes.set_of, vae=codec, folder=state)
        save.save_generator(generator.train_generator(sets, state, until), out)
    if "shop_vae" in stages:
        trained = vae.train_decoder(codec, state, until)
        print(f"shop_vae: mean error {100 * vae.mean_error(trained):.2f} % of the range")
        save.save_vae(trained, out)


def _train_pictures(tryon: bool, state: Path, out: Path) -> None:
    """Train the VAE and, with `tryon`, the try-on nets on its latents."""
    from vitrine_export.training import latents, vae
    from vitrine_export.training.tryon import train_tryon

    trained = vae.train_vae(state)
    print(f"vae: mean error {100 * vae.mean_error(trained):.2f} % of the range")
    if tryon:
        _train_jointly(train_tryon(latents.prepare(trained, state / "latents"), state), trained, state, out)


def _improve(start: Path, state: Path, out: Path) -> None:
    """Run the last two phases again from the nets of a checkpoint; its encoder does not change."""
    from vitrine_export.training import vae
    from vitrine_export.training.load import load_nets

    nets, codec = load_nets(start)
    _train_jointly(nets, vae.train_decoder(codec, state), state, out)


def _train_jointly(nets: Nets, codec: AutoencoderKL, state: Path, out: Path) -> None:
    from vitrine_export.training import joint, latents, save

    unseen = latents.prepare(codec, state / "latents", latents.UNSEEN)
    joint.train_jointly(nets, codec, unseen, state)
    save.save_nets(nets, codec, out)
