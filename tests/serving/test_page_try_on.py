"""The gateway's page in a real browser in front of a real Triton: a try-on, and a product cut out."""

import io

from page_browser import browser, needs_browser, serving, visit
from PIL import Image
from small_servers import png
from tiny_cut_out import red_disc

pytestmark = needs_browser


def test_a_picture_through_the_page(triton, tmp_path, person, garment):
    """Photos are chosen, the result appears beside the photo before, and the credit is taken."""
    photos = {
        name: {"name": f"{name}.png", "mimeType": "image/png", "buffer": content}
        for name, content in (("person", person), ("garment", garment))
    }
    with (
        serving(triton=triton.grpc, data=tmp_path) as (address, key),
        browser() as opened,
        visit(opened, address, key) as page,
    ):
        for name, photo in photos.items():
            page.set_input_files(f"#{name}", photo)
        page.click("#try-on-go")
        made = page.locator("#try-on-results .after")
        made.wait_for()
        answer = page.request.get(address + made.get_attribute("src"))
        assert Image.open(io.BytesIO(answer.body())).size == (192, 256)
        page.locator("#credits").filter(has_text="99").wait_for()


def test_a_product_is_cut_out_for_an_ad(triton, tmp_path):
    """The cut-out is shown cropped to the product; this server draws no scenes: each proposal says so."""
    disc = {"name": "disc.png", "mimeType": "image/png", "buffer": png(red_disc(96, 64, 20))}
    with (
        serving(triton=triton.grpc, data=tmp_path, tries=1) as (address, key),
        browser() as opened,
        visit(opened, f"{address}/#ad", key) as page,
    ):
        page.set_input_files("#product", disc)
        page.fill("#sentence", "a red cup in a cafe")
        page.click("#ad-go")
        page.locator(".cut img").wait_for()
        sides = page.locator(".cut img").evaluate("(one) => [one.naturalWidth, one.naturalHeight]")
        assert all(39 <= side <= 46 for side in sides)  # 40 px, a soft edge, and the network's grid of pixels
        for index in range(4):
            page.locator(".proposal .failed").nth(index).wait_for()
        page.locator("#credits").filter(has_text="99").wait_for()
