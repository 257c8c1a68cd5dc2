"""The gateway's page as a visitor meets it: how long the first picture takes, and pictures for the documents.

Run as `python -m vitrine_measure.page`. It starts `vitrine up` with an empty folder, opens the page in
Chromium, takes the sample pictures, and prints the seconds from the start to the first result. With
`--pictures FOLDER` it goes on through all views and writes a picture of each.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from vitrine_orchestrator.lettering.html.browser import find_program

FLAGS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
DESKTOP, PHONE = (1280, 860), (390, 844)  # in CSS pixels
PHONES_WIDE = 4  # phone pictures side by side
COLOURS = 192  # of a written picture: a palette keeps it small
START_S = 600.0
WAIT_MS = 180_000


def main() -> int:
    """Measure, take pictures if asked to, and return 0; 1 without a browser."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.page", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of all views")
    parser.add_argument("--port", type=int, default=8791, help="of the gateway (default 8791)")
    args = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("page: chromium is not installed (Debian: chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        key = _key(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        started = time.monotonic()
        with _up(Path(folder), args.port) as address:
            ready_s = time.monotonic() - started
            page = _first_picture(browser, address, key)
            print(f"vitrine up was ready after {ready_s:.1f} s, the first try-on was on the page")
            print(f"{time.monotonic() - started:.1f} s after the start (limit of the promise: 60 s)")
            page.context.close()
            if args.pictures:
                _pictures(browser, address, key, args.pictures)
        browser.close()
    return 0


def find_chromium() -> Path | None:
    """The program that the variable CHROMIUM names, or an installed one."""
    named = os.environ.get("CHROMIUM")
    return Path(named) if named else find_program()


def _environment(folder: Path, port: int = 0) -> dict[str, str]:
    given = {name: text for name, text in os.environ.items() if not name.startswith("GATEWAY_")}
    return given | {"GATEWAY_DATA": str(folder / "data"), "GATEWAY_PORT": str(port or 8080)}


def _key(folder: Path) -> str:
    command = [sys.executable, "-m", "vitrine", "gateway", "key", "--account", "shop", "--credits", "200"]
    made = subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=True)
    return made.stdout.strip()


@contextmanager
def _up(folder: Path, port: int) -> Iterator[str]:
    """Run `vitrine up` until the block ends; give the gateway's address."""
    ports = [f"--{kind}-port={port + number}" for number, kind in enumerate(("http", "grpc", "metrics"), 1)]
    log = folder / "up.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "vitrine", "up", "--", *ports],
            env=_environment(folder, port),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + START_S
            while not re.search(r"Uvicorn running", log.read_text()):
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"page: vitrine up did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def _visit(browser: Browser, address: str, key: str, size: tuple[int, int], locale: str = "en-US") -> Page:
    context = browser.new_context(locale=locale, viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(address)
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.locator("#credits:not(:empty)").wait_for()
    return page


def _first_picture(browser: Browser, address: str, key: str) -> Page:
    page = _visit(browser, address, key, DESKTOP)
    page.click("#try-on-sample")
    page.locator("#garment-field .photos li").nth(2).wait_for()
    page.click("#try-on-go")
    page.locator("#try-on-results .compare").first.wait_for()
    return page


def _pictures(browser: Browser, address: str, key: str, folder: Path) -> None:
    """Write the pictures of docs/gateway.md."""
    folder.mkdir(parents=True, exist_ok=True)
    page = _first_picture(browser, address, key)
    page.locator("#try-on-results .compare").nth(2).wait_for()
    _save([_shot(page)], folder / "page-try-on.png")
    _save([shot for name, shot in _ad(page) if name in ("choose", "place")], folder / "page-ad.png")
    page.context.close()
    phone = _visit(browser, address, key, PHONE, "ko-KR")
    shots = [_shot(phone), *(shot for name, shot in _ad(phone) if name in ("place", "done"))]
    phone.click('#tabs a[href="#account"]')
    phone.locator("#ledger tbody tr").first.wait_for()
    shots.append(_shot(phone))
    _save(shots[:PHONES_WIDE], folder / "page-phone.png")
    phone.click('#tabs a[href="#history"]')
    phone.context.close()
    wide = _visit(browser, f"{address}/#history", key, DESKTOP)
    wide.locator("#history li").first.wait_for()
    history = _shot(wide)
    wide.click('#tabs a[href="#account"]')
    wide.locator("#ledger tbody tr").first.wait_for()
    _save([history, _shot(wide)], folder / "page-history.png")
    wide.context.close()


def _ad(page: Page) -> list[tuple[str, Image.Image]]:
    """Make an ad from the sample product; return a picture of each step."""
    page.click('#tabs a[href="#ad"]')
    page.click("#ad-sample")
    page.locator("#product-field .photos li").wait_for()
    page.click("#ad-go")
    for index in range(4):
        page.locator(".choice").nth(index).wait_for()
    page.locator(".choice").nth(2).click()
    shots = [("choose", _shot(page))]
    page.click("#ad-stage .actions .main")
    page.locator(".stage").wait_for()
    page.locator(".product").focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", *"+++++"):
        page.keyboard.press(key)
    shots.append(("place", _shot(page)))
    page.click("#ad-stage .actions .main")
    page.locator(".final img").wait_for()
    return [*shots, ("done", _shot(page))]


def _shot(page: Page) -> Image.Image:
    page.mouse.move(1, 1)
    page.wait_for_timeout(600)  # pictures of the view have been decoded
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _save(shots: list[Image.Image], path: Path, gap: int = 24) -> None:
    """Write pictures side by side, with few colours."""
    width = sum(shot.width for shot in shots) + gap * (len(shots) - 1)
    sheet = Image.new("RGB", (width, max(shot.height for shot in shots)), (255, 255, 255))
    left = 0
    for shot in shots:
        sheet.paste(shot, (left, 0))
        left += shot.width + gap
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {sheet.width}x{sheet.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
