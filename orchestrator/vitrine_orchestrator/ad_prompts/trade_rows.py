"""The form of a trade's row: its words, and what its pictures show where a sentence is silent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trade:
    """One trade. Korean words are without particles."""

    name: str  # in a prompt: "in a cafe"
    korean: tuple[str, ...]  # words that name it; the first one is used in messages
    english: tuple[str, ...]  # further words; the name itself always counts
    subject: str  # what is shown where a sentence names no product
    tables: tuple[str, ...]  # names of `scene_words.TABLES`, the first is the usual one
    walls: tuple[str, ...]  # names of `scene_words.WALLS`
    props: tuple[str, str, str]  # what stands beside the product; with articles
    time: str  # of `scene_words.TIMES`
    lighting: str  # in words, for networks that read free text
    theme: str  # mood of its pictures, in words
    style: str = "realistic"  # of `styles.STYLES`
    general: bool = False  # whether its words also occur in sentences about other trades, which then win
    drawn: bool = False  # whether the drawn shop has it, whose checkpoint knows its own words only
