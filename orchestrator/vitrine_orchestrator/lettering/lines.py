"""Pieces into lines: as few as fit, and then as even as they can be, without a stub at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vitrine_orchestrator.lettering.breaking import Piece
from vitrine_orchestrator.lettering.characters import clusters

Length = Callable[[str], float]
STUB = 1
"""Characters of a last line that are too few to stand alone."""
STUB_COST = 4.0
"""What a stub costs, in squares of a full line's width."""

EVEN_PIECES = 200
"""Paragraphs of more pieces are filled line by line: it shows less, and would take long."""


def greedy(pieces: Sequence[Piece], width: float, length: Length) -> list[list[Piece]] | None:
    """Lines with as many pieces as fit into a width; None where a piece is wider."""
    lines: list[list[Piece]] = [[]]
    used = 0.0
    for piece in pieces:
        long = length(piece.text)
        if long > width:
            return None
        if lines[-1] and used + long > width:
            lines.append([])
            used = 0.0
        lines[-1].append(piece)
        used += long + (length(piece.space) if piece.space else 0.0)
        if piece.ends:
            lines.append([])
            used = 0.0
    return lines[:-1] if not lines[-1] else lines


def balanced(pieces: Sequence[Piece], width: float, length: Length) -> list[str] | None:
    """The fewest lines that fit, as even as possible; None where a piece is wider than the width.

    In each paragraph the sum of squares of what the lines lack to their mean length is the least that as
    many lines can have; a last line of one character counts as STUB_COST full ones.
    """
    lines: list[str] = []
    for paragraph in _paragraphs(pieces):
        fewest = greedy(paragraph, width, length)
        if fewest is None:
            return None
        if len(paragraph) > EVEN_PIECES:
            lines += map(joined, fewest)
        else:
            lines += _even(paragraph, len(fewest), width, length)
    return lines


def _paragraphs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    paragraphs: list[list[Piece]] = [[]]
    for piece in pieces:
        paragraphs[-1].append(piece)
        if piece.ends:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def _even(pieces: Sequence[Piece], count: int, width: float, length: Length) -> list[str]:
    """Exactly `count` lines of the least cost, by dynamic programming over the last break of each line."""
    long = [length(piece.text) for piece in pieces]
    step = [
        one + (length(piece.space) if piece.space else 0.0) for one, piece in zip(long, pieces, strict=True)
    ]
    mean = sum(step) / count
    best: list[dict[int, tuple[float, int]]] = [
        {0: (0.0, 0)}
    ]  # by line: pieces used → cost, start of the line
    for line in range(count):
        found: dict[int, tuple[float, int]] = {}
        for start, (cost, _) in best[line].items():
            used = 0.0
            for end in range(start, len(pieces)):
                if used + long[end] > width:
                    break
                total = cost + ((used + long[end] - mean) / width) ** 2
                if end + 1 == len(pieces) and line and _is_stub(pieces[start:]):
                    total += STUB_COST
                if total < found.get(end + 1, (float("inf"), 0))[0]:
                    found[end + 1] = (total, start)
                used += step[end]
        best.append(found)
    return _traced(pieces, best)


def _traced(pieces: Sequence[Piece], best: list[dict[int, tuple[float, int]]]) -> list[str]:
    """The lines along the least cost, from the last one back."""
    lines, end = [], len(pieces)
    for found in reversed(best[1:]):
        start = found[end][1]
        lines.append(joined(pieces[start:end]))
        end = start
    return lines[::-1]


def joined(pieces: Sequence[Piece]) -> str:
    """The text of a line: without the space after its last piece."""
    return "".join(piece.text + piece.space for piece in pieces[:-1]) + pieces[-1].text


def _is_stub(pieces: Sequence[Piece]) -> bool:
    return len(clusters("".join(piece.text for piece in pieces))) <= STUB
