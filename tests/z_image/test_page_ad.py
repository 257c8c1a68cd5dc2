"""An ad made through the gateway's page: a real browser, a real gateway, a real Triton."""

import io
import json

import numpy as np
import pytest
from page_browser import browser, needs_browser, serving, visit
from PIL import Image

pytestmark = needs_browser


def product():
    """A red square on a transparent ground, which needs no cut-out."""
    levels = np.zeros((40, 60, 4), np.uint8)
    levels[5:35, 10:50] = (200, 30, 40, 255)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return {"name": "box.png", "mimeType": "image/png", "buffer": file.getvalue()}


def test_a_product_is_moved_by_hand_and_stands_there(server, tmp_path):
    """Four proposals, one chosen; dragged, moved and scaled by keys and by a number; then in the picture."""
    with (
        serving(triton=server.grpc, data=tmp_path) as (address, key),
        browser() as opened,
        visit(opened, f"{address}/#ad", key) as page,
    ):
        page.set_input_files("#product", product())
        page.fill("#sentence", "a red mug in a cafe")  # a drawn scene: its prompt is one line
        page.select_option("#ratio", "1:1")
        page.select_option("#enlarge", "2")
        page.click("#ad-go")
        for index in range(4):
            page.locator(".choice").nth(index).wait_for()
        pictures = {one.get_attribute("src") for one in page.locator(".choice img").all()}
        assert len(pictures) == 4
        page.locator(".choice").nth(2).click()
        page.click("#ad-stage .actions .main")
        page.locator(".stage").wait_for()
        move_by_hand(page)
        asked = {name: float(page.input_value(f"#place-{name}")) / 100 for name in ("x", "y", "scale")}
        assert asked["scale"] == pytest.approx(0.32)
        page.click("#ad-stage .actions .main")
        made = page.locator(".final img")
        made.wait_for()
        picture = Image.open(io.BytesIO(page.request.get(address + made.get_attribute("src")).body()))
        headers = {"Authorization": f"Bearer {key}"}
        newest = page.request.get(f"{address}/v1/jobs?limit=1", headers=headers).json()["data"][0]
    assert newest["pipeline"] == "product_ad", json.dumps(newest)
    (told,) = newest["result"]["placements"]
    for name, share in asked.items():
        assert told[name] == pytest.approx(share, abs=0.02), name
    red = (np.abs(np.asarray(picture.convert("RGB")).astype(int) - (200, 30, 40)).max(-1)) <= 2
    rows, columns = np.nonzero(red)
    assert (columns.min() + columns.max() + 1) / 2 / picture.width == pytest.approx(asked["x"], abs=0.03)
    assert (rows.max() + 1) / picture.height == pytest.approx(asked["y"], abs=0.03)
    assert (rows.max() + 1 - rows.min()) / picture.height == pytest.approx(asked["scale"], abs=0.03)


def move_by_hand(page):
    """Drag the product to the left, move it up by a key, and set its height by number and key."""
    handle = page.locator(".product")
    page.locator(".stage").scroll_into_view_if_needed()
    before, stage = handle.bounding_box(), page.locator(".stage").bounding_box()
    start = float(page.input_value("#place-x"))
    x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 0.1 * stage["width"], y, steps=3)
    page.mouse.up()
    assert float(page.input_value("#place-x")) == pytest.approx(start - 10, abs=0.5)
    base = float(page.input_value("#place-y"))
    handle.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    assert float(page.input_value("#place-y")) == pytest.approx(base - 6, abs=0.2)
    page.fill("#place-scale", "30")
    page.locator("#place-scale").press("Tab")
    handle.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert "32 %" in handle.get_attribute("aria-label")
