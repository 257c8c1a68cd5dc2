"""The page in a real browser in front of the client's fake: every view, both languages, keys alone."""

import io

import numpy as np
import pytest
from page_browser import browser, needs_browser, serving, violations, visit
from PIL import Image
from vitrine import AsyncFakeTransport, AsyncVitrine, FakeTransport, Retry

pytestmark = needs_browser


@pytest.fixture(scope="module")
def chromium():
    """A browser for all tests."""
    with browser() as opened:
        yield opened


@pytest.fixture
def shop(tmp_path):
    """(address, key) of a gateway in front of the client's fake."""

    def connect(settings):
        return AsyncVitrine(transport=AsyncFakeTransport(FakeTransport()), retry=Retry(tries=1))

    with serving(connect, data=tmp_path) as served:
        yield served


def png(levels):
    """An encoded picture, as the browser's file picker gives it."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return {"name": "cup.png", "mimeType": "image/png", "buffer": file.getvalue()}


def press(page, *keys):
    """Press keys one after the other."""
    for key in keys:
        page.keyboard.press(key)


def tab_to(page, chosen, most=40):
    """Press Tab until the element that fits the selector has the focus, as somebody without a mouse does."""
    for _ in range(most):
        press(page, "Tab")
        if page.evaluate("(chosen) => document.activeElement.matches(chosen)", chosen):
            return
    pytest.fail(f"{chosen} cannot be reached with Tab")


LOOKS = {"en-US": [(1280, "light"), (390, "dark")], "ko-KR": [(390, "light"), (1280, "dark")]}
"""Widths and colours by language: each view is checked in both."""


def faults(page, looks):
    """What axe-core finds on the page in each of these looks, and whether it is wider than the window."""
    found = []
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        found += [(width, scheme, *one) for one in violations(page)]
        if (wide := page.evaluate("() => document.documentElement.scrollWidth")) > width:
            found.append((width, scheme, f"is {wide} pixels wide"))
    return found


@pytest.mark.parametrize("locale", LOOKS)
def test_axe_finds_nothing_on_any_view(chromium, shop, locale):
    """Sign-in, try-on, ad with its steps, history, account, dialogs; empty, with errors and finished."""
    address, key = shop
    found, looks = {}, LOOKS[locale]
    with visit(chromium, address, locale=locale) as page:
        found["sign-in"] = faults(page, looks)
    with visit(chromium, address, key, locale) as page:
        assert page.evaluate("() => document.documentElement.lang") == locale[:2]
        page.click("#try-on-go")
        found["try-on with an error"] = faults(page, looks)
        page.click("#try-on-sample")
        page.locator("#garment-field .photos li").nth(2).wait_for()
        page.click("#try-on-go")
        for index in range(3):
            page.locator("#try-on-results .compare").nth(index).wait_for()
        found["try-on"] = faults(page, looks)
        page.click("#person-field button.plain")
        page.locator("#camera-take:enabled").wait_for()
        found["camera"] = faults(page, looks)
        page.click("#camera-close")
        page.click('#tabs a[href="#ad"]')
        found["ad"] = faults(page, looks)
        page.click("#ad-sample")
        page.locator("#product-field .photos li").wait_for()
        page.click("#ad-go")
        for index in range(4):
            page.locator(".choice").nth(index).wait_for()
        page.locator(".choice").first.click()
        found["proposals"] = faults(page, looks)
        page.click("#ad-stage .actions .second")
        page.locator(".final").wait_for()
        found["finished"] = faults(page, looks)
        page.click('#tabs a[href="#history"]')
        page.locator("#history li").first.wait_for()
        found["history"] = faults(page, looks)
        page.locator("#history .opened").first.click()
        found["viewer"] = faults(page, looks)
        page.click("#viewer-close")
        page.click('#tabs a[href="#account"]')
        page.locator("#ledger tbody tr").first.wait_for()
        found["account"] = faults(page, looks)
        page.click("#erase")
        found["erasure"] = faults(page, looks)
    assert {view: problems for view, problems in found.items() if problems} == {}


@pytest.mark.parametrize(("locale", "size"), [("en-US", (360, 640)), ("ko-KR", (390, 664))])
def test_what_is_missing_is_seen_on_a_phone(chromium, shop, locale, size):
    """The sentence above the button is covered by nothing, and nothing is sent."""
    address, key = shop
    with visit(chromium, address, key, locale) as page:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for view in ("try-on", "ad"):
            page.click(f'#tabs a[href="#{view}"]')
            page.click(f"#{view}-go")
            assert page.locator(f"#{view}-message").inner_text()
            assert uncovered(page, f"#{view}-message")


def test_what_is_told_above_a_long_list_is_brought_into_view(chromium, shop):
    """What the account's last button does or fails to do is told at the top of the view, where it is seen."""
    address, key = shop
    with visit(chromium, address, key, refused=True) as page:
        page.set_viewport_size({"width": 390, "height": 420})
        page.click('#tabs a[href="#account"]')
        page.locator("#ledger tbody tr").first.wait_for()
        page.click("#erase")
        page.click("#confirm-yes")
        page.locator("#account-done:not(:empty)").wait_for()
        assert uncovered(page, "#account-done")
        page.route("**/v1/people/**", lambda route: route.fulfill(status=500, body="{}"))
        page.click("#erase")
        page.click("#confirm-yes")
        page.locator("#account-message:not(:empty)").wait_for()
        assert uncovered(page, "#account-message")


@pytest.mark.parametrize("width", [320, 350, 390])
def test_the_credits_leave_the_brand_uncovered(chromium, shop, width):
    """On a narrow phone the brand's word is seen whole or not at all, and its link keeps its name."""
    address, key = shop
    with visit(chromium, address, key) as page:
        page.set_viewport_size({"width": width, "height": 640})
        brand, credits = page.locator("a.brand"), page.locator("#credits")
        assert page.get_by_role("link", name="Vitrine").count() == 1
        box, chip = brand.bounding_box(), credits.bounding_box()
        assert box["x"] + box["width"] <= chip["x"]
        assert brand.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def uncovered(page, chosen):
    """Whether nothing lies over the middle of the element, which is in the window."""
    return page.locator(chosen).evaluate("""(one) => {
        const box = one.getBoundingClientRect();
        return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === one;
    }""")


def test_a_try_on_by_keys_alone(chromium, shop):
    """Sign in, take the samples, try on, compare, hide the result from the history: without a mouse."""
    address, key = shop
    with visit(chromium, address, refused=True) as page:
        tab_to(page, "#key")
        page.keyboard.insert_text("vt_live_wrong")
        press(page, "Enter")
        page.locator("#sign-in-message:not(:empty)").wait_for()
        press(page, "Control+a")
        page.keyboard.insert_text(key)
        press(page, "Enter")
        page.locator("#view-try-on").wait_for()
        assert page.evaluate("() => document.activeElement.id") == "try-on-title"
        tab_to(page, "#try-on-sample")
        press(page, "Enter")
        page.locator("#try-on-go:focus").wait_for()
        press(page, "Enter")
        page.locator("#try-on-results .compare").nth(2).wait_for()
        tab_to(page, ".compare input")
        press(page, "ArrowRight", "ArrowRight")
        slider = page.locator(".compare input").first
        assert slider.input_value() == "52"
        assert (
            page.locator(".compare").first.evaluate("(one) => one.style.getPropertyValue('--part')") == "52%"
        )
        assert "garment-1" in slider.get_attribute("aria-label")
        tab_to(page, '#tabs a[href="#history"]', 60)
        press(page, "Enter")
        page.locator("#history li").nth(2).wait_for()
        tab_to(page, "#history .plain")
        press(page, "Enter")
        page.locator("#history li").nth(2).wait_for(state="detached")
        assert page.locator("#history li").count() == 2


def test_a_photo_is_dropped_or_taken_and_removed(chromium, shop):
    """Dropped files are chosen, a text is refused by name, and the camera's picture takes the place."""
    address, key = shop
    with visit(chromium, address, key) as page:
        dropped = page.evaluate_handle("""() => {
            const held = new DataTransfer();
            held.items.add(new File(["x"], "coat.png", { type: "image/png" }));
            held.items.add(new File(["x"], "skirt.png", { type: "image/png" }));
            held.items.add(new File(["x"], "list.txt", { type: "text/plain" }));
            return held;
        }""")
        page.dispatch_event("#garment-field .drop", "drop", {"dataTransfer": dropped})
        assert page.locator("#garment-field .photos li").count() == 2
        assert "list.txt" in page.locator("#garment-error").inner_text()
        page.locator("#garment-field .photos .round").first.click()
        assert page.locator("#garment-field .photos li").count() == 1
        page.set_input_files("#person", png(np.full((64, 48, 3), 200, np.uint8)))
        page.click("#person-field button.plain")
        page.locator("#camera-take:enabled").click()
        page.locator('#person-field img[alt$=".jpg"]').wait_for()
        assert page.locator("#person-field .photos li").count() == 1


def test_a_job_that_fails_says_why_and_can_be_tried_again(chromium, shop):
    """A picture that cannot be read ends as a card with the reason and a button."""
    address, key = shop
    with visit(chromium, address, key, refused=True) as page:
        broken = {"name": "coat.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.set_input_files("#person", broken)
        page.set_input_files("#garment", broken)
        page.click("#try-on-go")
        failed = page.locator("#try-on-results .failed")
        failed.wait_for()
        assert "person" in failed.inner_text()
        failed.locator("button").click()
        failed.wait_for()


def test_the_language_changes_everything_that_is_shown(chromium, shop):
    """Cards that were made before the change are translated too, and the choice is kept."""
    address, key = shop
    with visit(chromium, address, key) as page:
        page.click("#try-on-sample")
        page.locator("#garment-field .photos li").nth(2).wait_for()
        page.click("#try-on-go")
        page.locator("#try-on-results .compare").nth(2).wait_for()
        page.select_option("#language", "ko")
        shown = page.locator("body").inner_text().replace("English", "").replace("Vitrine", "")
        assert [word for word in ("Try", "Download", "credit", "Top", "photo") if word in shown] == []
        assert page.locator(".compare img").first.get_attribute("alt").startswith("결과")
        page.reload()
        page.locator("#credits").filter(has_text="크레딧").wait_for()
        assert page.title().startswith("입어 보기")
