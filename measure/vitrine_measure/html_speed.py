"""`vitrine-export html-speed`: templates drawn by Takumi and by Chromium, timed in the same run."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.lettering.html.browser import Browser, Tab, open_browser
from vitrine_orchestrator.lettering.html.renderer import Page, Renderer
from vitrine_orchestrator.lettering.html.templates import DESIGNS, Lines, Look

HELP = """time how long a template takes in Takumi, which is served, and in headless Chromium

Takumi: laid out and drawn in its process, as texts of the server are. Chromium, kept: the same page in one
browser that stays open, without measuring or a second drawing. Chromium, new: a browser for each page, as
callers' pages have. Each time is the median over the pages; all are taken in the same run, in turn."""
EXAMPLES = """examples:
  vitrine-export html-speed --count 5
"""
SIZE = 72
"""Pixels of the text."""
LINES = Lines(("신메뉴 4,500원",), ("오늘만 50% 할인",))
NAME = "page"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--count", type=int, default=5, help="rounds over all templates (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Time and print; return 0. Raises Unavailable where fonts, Takumi or Chromium lack."""
    if args.count < 1:
        raise BadRequest(f"count must be at least 1, got {args.count}")
    figures = timed(args.count)
    if args.json:
        print(json.dumps(figures, indent=1))
        return 0
    fast = figures["takumi"]
    for name, seconds in figures.items():
        print(f"{name:16}{seconds * 1000:10.2f} ms{seconds / fast:10.1f} times takumi")
    return 0


def timed(count: int) -> dict[str, float]:
    """Return the median seconds of a page by way of drawing it."""
    browser = replace(open_browser("on"), timeout_s=600.0)
    renderer = Renderer()
    pages = list(_pages(renderer))
    seconds: dict[str, list[float]] = {"takumi": [], "chromium, kept": [], "chromium, new": []}
    try:
        for _ in range(count):
            ways = _ways(renderer, browser)
            with browser.started(time.monotonic() + browser.timeout_s) as connection:
                kept = Tab(connection, *_largest(pages))
                ways["chromium, kept"] = _by_tab(kept)
                for name in ("takumi", "chromium, kept"):
                    ways[name](*pages[0])  # fills caches
                for page, width, height in pages:
                    for name, draw in ways.items():
                        start = time.perf_counter()
                        draw(page, width, height)
                        seconds[name].append(time.perf_counter() - start)
    finally:
        renderer.close()
    return {name: statistics.median(found) for name, found in seconds.items()}


Draw = Callable[[Page, int, int], NDArray[np.uint8]]


def _ways(renderer: Renderer, browser: Browser) -> dict[str, Draw]:
    def by_takumi(page: Page, width: int, height: int) -> NDArray[np.uint8]:
        renderer.measure(page)
        return renderer.draw(page, width, height)

    def by_new_browser(page: Page, width: int, height: int) -> NDArray[np.uint8]:
        return browser.draw(NAME, _whole(page), width, height).layer

    return {"takumi": by_takumi, "chromium, new": by_new_browser}


def _by_tab(tab: Tab) -> Draw:
    def draw(page: Page, width: int, height: int) -> NDArray[np.uint8]:
        tab.show(_whole(page))
        return tab.shot(NAME)

    return draw


def _pages(renderer: Renderer) -> Iterator[tuple[Page, int, int]]:
    """Yield a page of each template with its width and height."""
    faces = open_fonts(None).faces("sans", "bold", "ko")
    for design in DESIGNS.values():
        look = Look(design, design.paper, faces, 700, "ko")
        page = look.page(LINES, SIZE, (17, 17, 17) if design.paper is None else design.ink(design.paper))
        tree = renderer.measure(page)
        yield page, round(tree["width"]), round(tree["height"])


def _largest(pages: list[tuple[Page, int, int]]) -> tuple[int, int]:
    return max(width for _, width, _ in pages), max(height for _, _, height in pages)


def _whole(page: Page) -> str:
    """Return the page for a browser, with the names that its fonts have there."""
    families = ",".join(f'"{face.family}"' for face in page.faces)
    fonts = f".page{{font-family:{families};font-weight:{page.weight}}}"
    return f'<html lang="{page.lang}"><style>body{{margin:0}}{page.style}{fonts}</style>{page.html}'
