"""`vitrine prompt`: a sentence in Korean or English in, the English prompt of an advertising picture out."""

from __future__ import annotations

import argparse
import json
import sys

from vitrine.commands.connection import add_connection, open_client

HELP = "turn a sentence about a product, in Korean or English, into the prompt of a picture"
EXAMPLES = """\
examples:
  vitrine prompt "카페에서 쓰는 빨간 머그잔, 오른쪽에서 드는 아침 햇살"
  the picture itself
    vitrine picture "$(vitrine prompt '꽃집의 분홍 향수')" -o perfume.png
  what was understood, and what was assumed
    vitrine prompt "네일샵 봄 신상" --style illustration --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sentence", metavar="SENTENCE", help="what the picture advertises")
    parser.add_argument("--trade", help="cafe, florist, 카페, … (default: as the sentence says)")
    parser.add_argument(
        "--style",
        help="realistic, semi-realistic, anime, illustration, line drawing or at night "
        "(default: the sentence's, then the trade's)",
    )
    parser.add_argument("--theme", help="the mood: spring, sale, 크리스마스, or own English words")
    parser.add_argument(
        "--empty", action="store_true", help="name the scene alone, for a product put into it"
    )
    parser.add_argument("--json", action="store_true", help="print prompts and report as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print the prompt; return 0. Why a language model was not used is said on stderr."""
    with open_client(args) as vitrine:
        made = vitrine.prepare_ad_prompt(
            sentence=args.sentence,
            trade=args.trade,
            style=args.style,
            theme=args.theme,
            empty=args.empty,
        )
    if args.json:
        found = {"prompt": made.prompt, "negative_prompt": made.negative_prompt, **made.report}
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(made.prompt)
    if made.fallback:
        print(f"vitrine prompt: written by the tables: {made.fallback}", file=sys.stderr)
    return 0
