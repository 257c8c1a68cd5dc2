"""The page where something goes wrong: plain http, breaks, impatience, odd files, links that have run out."""

import re

import page_browser
import pytest
from gateway_in_process import SlowFake
from noise_pictures import picture
from page_browser import browser, needs_browser, serving, visit
from vitrine import AsyncVitrine, Retry

pytestmark = needs_browser
ELSEWHERE = "shop.test"  # an address that is neither https nor localhost
LINK_S = 2


@pytest.fixture(scope="module")
def chromium():
    """A browser that finds the gateway under another machine's name too."""
    rules = f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_browser, "FLAGS", [*page_browser.FLAGS, rules])
        with browser() as opened:
            yield opened


@pytest.fixture
def slow():
    """The client's fake, whose pause can be changed."""
    return SlowFake(0.01)


@pytest.fixture
def shop(tmp_path, slow):
    """(address, key) of a gateway whose links are valid for LINK_S seconds."""
    with serving(
        lambda _: AsyncVitrine(transport=slow, retry=Retry(tries=1)), data=tmp_path, link_s=LINK_S
    ) as served:
        yield served


def photo(seed, name="photo.png"):
    """A picture as the browser's file picker gives it."""
    return {"name": name, "mimeType": "image/png", "buffer": picture(seed)}


def try_on(page, garments=1):
    """Choose photos and press the button."""
    page.set_input_files("#person", photo(0))
    page.set_input_files("#garment", [photo(seed + 1, f"g{seed}.png") for seed in range(garments)])
    page.click("#try-on-go")


def credits_are(page, number):
    """Wait until the page shows this balance."""
    page.locator("#credits").filter(has_text=re.compile(rf"^{number} ")).wait_for()


def test_plain_http_from_another_machine(chromium, shop):
    """Without what browsers keep for https: a try-on works, two presses pay once, the camera says why not."""
    address, key = shop
    with visit(chromium, address.replace("127.0.0.1", ELSEWHERE), key) as page:
        assert page.evaluate("() => [typeof crypto.randomUUID, isSecureContext]") == ["undefined", False]
        page.click("#person-field button.plain")
        page.locator("#camera-message").filter(has_text="https").wait_for()
        page.click("#camera-close")
        page.set_input_files("#person", photo(0))
        page.set_input_files("#garment", photo(1))
        page.dblclick("#try-on-go", delay=150)
        page.locator("#try-on-results .compare").wait_for()
        page.wait_for_timeout(300)
        assert page.locator("#try-on-results li").count() == 1
        credits_are(page, 99)


def test_many_jobs_leave_room_for_cancel(chromium, shop, slow):
    """Of eight jobs three have streams, the others are asked for: one is cancelled at once, all end."""
    address, key = shop
    slow.pause_s = 0.15
    with visit(chromium, address, key) as page:
        open_streams, most = set(), []

        def begun(request):
            if request.url.endswith("/events"):
                open_streams.add(request)
                most.append(len(open_streams))

        page.on("request", begun)
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, lambda request: open_streams.discard(request))
        try_on(page, garments=8)
        page.locator("#try-on-results .job .state").filter(has_text="%").nth(3).wait_for()
        cancel = page.locator("#try-on-results .job .plain")
        cancel.last.click()
        page.locator("#try-on-results .failed").filter(has_text="Canceled").wait_for(timeout=5_000)
        slow.pause_s = 0.0
        page.locator("#try-on-results .compare").nth(6).wait_for()
        assert max(most) == 3
        credits_are(page, 93)


def test_what_breaks_is_taken_up_again_and_paid_once(chromium, shop, slow):
    """An answer to a submission that is lost, a stream that ends early, one that breaks: one payment."""
    address, key = shop
    slow.pause_s = 0.1
    keys, heard = [], []

    def submitted(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the gateway has queued it, and nobody hears so
            return route.abort()
        return route.continue_()

    def streamed(route):
        heard.append(route.request.headers.get("last-event-id"))
        if len(heard) == 1:
            return route.fulfill(content_type="text/event-stream", body="id: 1\nevent: queued\ndata: {}\n\n")
        return route.abort() if len(heard) == 2 else route.continue_()

    with visit(chromium, address, key, refused=True) as page:
        page.route("**/v1/jobs", submitted)
        page.route("**/events", streamed)
        try_on(page)
        failed = page.locator("#try-on-results .failed")
        assert "cannot be reached" in failed.inner_text()
        failed.locator("button").click()
        page.locator("#try-on-results .state").filter(has_text="waiting for it").wait_for()
        page.locator("#try-on-results .compare").wait_for()
        assert keys == [keys[0]] * 2
        assert heard == [None, "1", "1"]
        credits_are(page, 99)


def test_a_job_is_cancelled_while_its_photos_are_sent(chromium, shop, slow):
    """Cancel is pressed before the gateway has the job: it is cancelled as soon as it is there."""
    address, key = shop
    slow.pause_s, held = 0.3, []
    with visit(chromium, address, key) as page:
        page.route("**/v1/jobs", lambda route: held.append(route))
        try_on(page)
        page.locator("#try-on-results .job .plain").click()
        assert page.locator("#try-on-results .state").inner_text() == "Canceling"
        held.pop().continue_()
        page.locator("#try-on-results .failed").filter(has_text="Canceled").wait_for(timeout=5_000)
        credits_are(page, 100)


def test_an_ad_that_was_given_up_does_not_come_back(chromium, shop, slow):
    """While its scene is drawn another ad is begun: what comes of the first one is not shown."""
    address, key = shop
    held = []

    def submitted(route):
        held.append(route) if '"text_to_image"' in (route.request.post_data or "") else route.continue_()

    with visit(chromium, address, key, refused=True) as page:
        page.click('#tabs a[href="#ad"]')
        page.set_input_files("#product", {**photo(1), "buffer": b"no picture"})
        page.fill("#sentence", "A warm latte")
        page.click("#ad-go")
        assert "The photo cannot be read" in page.locator("#ad-stage .failed").inner_text()
        page.route("**/v1/jobs", submitted)
        page.set_input_files("#product", photo(1))
        page.click("#ad-go")
        page.locator(".choice").nth(3).wait_for()
        page.locator(".choice").first.click()
        page.click("#ad-stage .actions .main")
        page.locator("#ad-stage h2").filter(has_text="Drawing the scene").wait_for()
        page.click("#ad-go")
        page.locator(".choice").nth(3).wait_for()
        held.pop().abort()
        page.wait_for_timeout(300)
        assert page.locator("#ad-stage h2").inner_text() == "Choose one of the four"


def test_links_that_have_run_out_and_what_is_erased(chromium, shop):
    """An old result is saved and opened; "Show more" adds once; an emptied history and an erasure say so."""
    address, key = shop
    with visit(chromium, address, key, refused=True) as page:
        try_on(page)
        page.locator("#try-on-results .compare").wait_for()
        page.click('#tabs a[href="#history"]')
        page.locator("#history .opened").wait_for()
        page.wait_for_timeout(1000 * (LINK_S + 1))
        page.locator("#history .opened").click()
        page.wait_for_function("() => document.getElementById('viewer-picture').naturalWidth > 0")
        page.click("#viewer-close")
        page.click('#tabs a[href="#try-on"]')
        with page.expect_download() as saved:
            page.click("#try-on-results .foot a")
        assert saved.value.path().read_bytes().startswith(b"\x89PNG")
        page.route("**/history?*", more)
        page.click('#tabs a[href="#history"]')
        page.locator("#history-more").dblclick()
        page.locator("#history li").nth(1).wait_for()
        page.wait_for_timeout(300)
        assert page.locator("#history li").count() == 2
        page.unroute("**/history?*")
        page.locator("#history .plain").last.click()
        page.locator("#history li").nth(1).wait_for(state="detached")
        page.locator("#history .plain").click()
        page.locator("#history .none").wait_for()
        page.click('#tabs a[href="#account"]')
        page.click("#erase")
        page.click("#confirm-yes")
        page.locator("#account-done").filter(has_text="erased").wait_for()
        assert page.locator("#try-on-results li").count() == 0


def more(route):
    """Answer the same page of the history twice, as if one followed the other."""
    url = route.request.url
    answer = route.fetch(url=url.replace("&cursor=x", ""))
    route.fulfill(response=answer, json={**answer.json(), "next_cursor": None if "cursor=" in url else "x"})


def test_odd_keys_addresses_and_browsers_that_keep_nothing(chromium, shop):
    """The skip link leaves the address, a key that no header takes is told, blocked storage is no blank."""
    address, key = shop
    with visit(chromium, address) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "main"
        page.fill("#key", "vt_live_…")
        page.keyboard.press("Enter")
        assert "letters, digits" in page.locator("#sign-in-message").inner_text()
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.locator("#view-try-on").wait_for()
        page.goto(f"{address}#main")
        page.reload()
        page.locator("#view-try-on").wait_for()
        page.add_init_script("""for (const name of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, name, { get() { throw new DOMException("denied"); } });""")
        page.reload()
        page.select_option("#language", "ko")
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.locator("#view-try-on").wait_for()
        credits_are(page, "100")


def test_odd_files(chromium, shop):
    """A folder and a HEIC photo are refused by name, and a long name makes the page no wider than a phone."""
    address, key = shop
    with visit(chromium, address, key) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        error = page.locator("#garment-error")
        dropped = page.evaluate_handle("""() => {
            const held = new DataTransfer();
            held.items.add(new File([], "clothes"));
            DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true, name: "clothes" });
            return held;
        }""")
        page.dispatch_event("#garment-field .drop", "drop", {"dataTransfer": dropped})
        assert error.inner_text() == "clothes is not a picture."
        page.set_input_files("#garment", {**photo(1, "IMG_1.HEIC"), "mimeType": "image/heic"})
        assert "IMG_1.HEIC is a HEIC photo" in error.inner_text()
        assert page.locator("#garment-field .photos li").count() == 0
        page.set_input_files("#garment", {**photo(1, f"{'long_' * 20}.pdf"), "mimeType": "application/pdf"})
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390
