"""`vitrine score`: how well pictures fit prompts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from vitrine.commands.connection import add_connection, open_client
from vitrine.scores import ReadPrompt, Scores

HELP = "say how well pictures fit sentences, by CLIP"
EXAMPLES = """\
examples:
  one picture, one sentence
    vitrine score kettle.png --prompt "a red kettle on a table"
  which of several pictures fits best
    vitrine score kettle-*.png --prompt "a red kettle on a table"
  which of several sentences fits best
    vitrine score kettle.png --prompt "a red kettle" --prompt "a blue kettle"
  for scripts
    vitrine score kettle.png --prompt "a red kettle" --json | jq .cosine[0][0]

Cosines of one model can be compared with each other, not with those of another model. CLIP reads 77 tokens of
English."""

CUT = {
    "no": "",
    "clause": "read without its last clauses",
    "token": "read only at its beginning",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="picture files, at most 16")
    parser.add_argument(
        "--prompt",
        action="append",
        required=True,
        metavar="TEXT",
        help="what the picture should show; may be repeated, at most 16",
    )
    parser.add_argument(
        "--release", type=int, metavar="N", help="number of the release to use (default: the newest)"
    )
    parser.add_argument("--json", action="store_true", help="print all scores as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print the scores, the best fit first for each picture."""
    with open_client(args) as vitrine:
        scores = vitrine.score(picture=args.pictures, prompt=args.prompt)
    print(_as_json(args, scores) if args.json else "\n".join(_lines(args.pictures, scores)))
    return 0


def _lines(pictures: list[Path], scores: Scores) -> list[str]:
    lines = [f"model {scores.model}", "cosine  clipscore  picture: prompt"]
    for row, path in enumerate(pictures):
        for column in scores.cosine[row].argsort()[::-1]:
            cosine, clipscore = scores.cosine[row, column], scores.variants["clipscore"][row, column]
            lines.append(f"{cosine:6.3f}  {clipscore:9.3f}  {path}: {_shown(scores.prompts[column])}")
    return lines


def _shown(prompt: ReadPrompt) -> str:
    return prompt.scored + (f" ({CUT[prompt.cut]}: {prompt.tokens} tokens)" if CUT[prompt.cut] else "")


def _as_json(args: argparse.Namespace, scores: Scores) -> str:
    found = {
        "pictures": [str(path) for path in args.pictures],
        "cosine": scores.cosine.tolist(),
        **dict(scores.report),
    }
    return json.dumps(found, indent=2)
