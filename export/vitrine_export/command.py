"""The `vitrine-export` command: a table of subcommands, each a module with add_arguments(parser), run(args).

A module may also have HELP (one line) and EXAMPLES (text below its help). Only the module of the chosen
subcommand is imported, because importing torch takes seconds.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from vitrine.errors import VitrineError, one_line

from vitrine_export.errors import refusal

COMMANDS: dict[str, tuple[str, str]] = {
    "check": (
        "vitrine_export.check.command",
        "what a checkpoint holds, lacks and needs, from headers alone",
    ),
    "onnx": (
        "vitrine_export.exporting.command",
        "checkpoint → ONNX files of a model repository, each checked",
    ),
    "torch": (
        "vitrine_export.exporting.torch_command",
        "checkpoint → programs for the torch engine, each checked",
    ),
    "plan": (
        "vitrine_export.exporting.plan_command",
        "ONNX files → TensorRT engines (on a machine with the GPU)",
    ),
    "cut-out": (
        "vitrine_export.exporting.cut_out_command",
        "ONNX file of a cut-out network → model repository, checked",
    ),
    "lora": ("vitrine_export.lora.command", "LoRA file → adapter of a server's registry, checked"),
    "publish": ("vitrine_export.release.publish", "add an exported repository to a served one as a release"),
    "withdraw": ("vitrine_export.release.withdraw", "remove a release, and what no other release needs"),
    "parity": ("vitrine_export.parity", "compare the nets with arrays of the released code"),
    "flops": ("vitrine_measure.flops", "count the work of a picture, released and with the exact savings"),
    "lora-cost": ("vitrine_measure.lora_cost", "count and time what a LoRA by row adds to a step"),
    "dolls": ("vitrine_world.dolls.command", "draw paper dolls with the true answer of every stage"),
    "shop": ("vitrine_world.shop.command", "draw advertisements of the paper shop with their truth"),
    "train": ("vitrine_export.training.command", "train the small checkpoints from seeds"),
    "score": ("vitrine_measure.score.command", "measure a checkpoint on dolls that it was never trained on"),
    "score-shop": (
        "vitrine_measure.score_shop.command",
        "measure the shop's networks on samples that they were never trained on",
    ),
    "score-compose": (
        "vitrine_measure.score_compose",
        "measure compositions of the shop's products: shadows, pixels, places",
    ),
    "beside-rembg": (
        "vitrine_measure.rembg_beside.command",
        "time our cut-out and rembg's on the same pictures, with the same network",
    ),
    "score-text": (
        "vitrine_measure.score_text.command",
        "measure texts on pictures: what they cover, their contrast, and whether they can be read",
    ),
    "html-speed": (
        "vitrine_measure.html_speed",
        "time templates of texts in the server's renderer and in a browser",
    ),
    "perf": (
        "vitrine_measure.perf.command",
        "load a server with perf_analyzer, over HTTP, gRPC and streams",
    ),
    "bench": (
        "vitrine_measure.service.command",
        "measure the service, compared with what it replaces and its engine alone",
    ),
    "engine-speed": (
        "vitrine_measure.engine.command",
        "time the torch engine at real size, each saving compared with the plain computation",
    ),
    "soak": (
        "vitrine_measure.load.soak_command",
        "load a server with faulty clients and a busy operator; report what leaked or died",
    ),
    "residency": (
        "vitrine_measure.residency.command",
        "measure how models share a memory: by simulation, or by a shop's requests",
    ),
    "real-size": (
        "vitrine_export.exporting.real_size",
        "try the export of a family's networks at their real size, with random weights",
    ),
    "trial": (
        "vitrine_measure.trial.command",
        "make, check, export and serve a checkpoint with random weights",
    ),
}
"""The module and one line of help by subcommand."""

INTERRUPTED = 130  # the exit code that shells report for a program that Ctrl-C ended

EXAMPLES = """\
examples:
  vitrine-export onnx --checkpoint checkpoints/paper-doll --out model_repository
  vitrine-export score --checkpoint checkpoints/paper-doll --seed 1000 --count 64
  vitrine-export COMMAND --help

Exit codes: 0 done, 1 failed, 2 wrong usage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = words[0] if words and words[0] in COMMANDS else None
    try:
        parser = build_parser(chosen)
        args = parser.parse_args(words)
        if "run" not in args:
            parser.print_help()
            return 2
        return args.run(args)
    except argparse.ArgumentTypeError as error:
        print(f"vitrine-export {chosen}: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"vitrine-export {chosen}: {one_line(error)}; pip install 'vitrine[export]'", file=sys.stderr)
    except VitrineError as error:
        print(f"vitrine-export {chosen}: {error.word}: {one_line(error)}", file=sys.stderr)
    except OSError as error:
        print(f"vitrine-export {chosen}: {refusal(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"vitrine-export {chosen}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 1


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser of all subcommands, with options of `chosen` only. Raises its ImportError."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "vitrine-export",
        description="Checkpoints, exports and the paper-doll world of Vitrine.",
        epilog=EXAMPLES,
        formatter_class=form,
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (path, line) in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=line)
            continue
        module = importlib.import_module(path)
        text = getattr(module, "HELP", line)
        one = commands.add_parser(
            name, help=line, description=text, epilog=getattr(module, "EXAMPLES", None), formatter_class=form
        )
        module.add_arguments(one)
        one.set_defaults(run=module.run)
    return parser
