"""Opens the gateway's page in a real browser, in front of any server: for the tests of several folders."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from vitrine_gateway.app import create_app
from vitrine_gateway.settings import Settings
from vitrine_measure.gateway_serving import new_key, served
from vitrine_measure.page import find_chromium

CHROMIUM = find_chromium()
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: chromium)")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
CREDITS = 100
WAIT_MS = 120_000


@contextmanager
def serving(connect=None, **values):
    """A gateway on loopback in a thread; gives its address and the key of an account with CREDITS."""
    settings = Settings.of(poll_s=0.05, **values)
    with ThreadPoolExecutor(1) as thread:  # this thread may have the browser's event loop
        key = thread.submit(asyncio.run, new_key(settings, "shop", CREDITS)).result()
    with served(create_app(settings, connect) if connect else create_app(settings)) as address:
        yield address, key


@contextmanager
def browser():
    """Debian's Chromium without a window; its camera shows a drawn picture."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def visit(opened, address, key=None, locale="en-US", refused=False):
    """The page in a tab of its own, signed in with the key; whatever its scripts complain of is an error.

    `refused` says that the gateway refuses a call, of which the browser tells on its console too.
    """
    context = opened.new_context(locale=locale, viewport={"width": 1280, "height": 844})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(address)
    if key:
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.locator("#credits").filter(has_text="100").wait_for()
    try:
        yield page
    finally:
        context.close()
    told = "Failed to load resource"
    assert [one for one in complaints if not (refused and one.startswith(told))] == []


def violations(page):
    """What axe-core finds on the page as it is now: rule, help and the elements."""
    page.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finish?.()).filter(Boolean))")
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["help"], [node["html"][:120] for node in one["nodes"]]) for one in found]
