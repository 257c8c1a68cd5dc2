"""The old services' routes answer in their own words."""

import asyncio
import base64
import io

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from vitrine_gateway.database.tables import Job

ADA = {"X-User-ID": "ada"}


async def polled(client, path, word, wanted):
    """Poll as the old browsers do, until the state is one of `wanted`."""
    for _ in range(200):
        body = (await client.get(path)).json()
        if body[word] in wanted:
            return body
        await asyncio.sleep(0.05)
    raise AssertionError(body)


async def test_the_app_polls_a_try_on_by_ids(start):
    """CloszIT's browser: submit by the garment's id, poll, see it in the history, mark and hide it."""
    async with start(old_account="shop") as gateway:
        await follow_the_app(gateway, await gateway.account())


async def follow_the_app(gateway, shop):
    """What the browser does; the names reach the server as they are."""
    body = {"clothingId": "coat-1", "denoiseSteps": 4, "seed": 9}
    queued = (await shop.post("/api/fitting/single-item-tryon-v2", json=body, headers=ADA)).json()
    done = await polled(shop, f"/queue/job/vto/{queued['jobId']}", "state", ("completed", "failed"))
    assert (done["state"], done["progress"], done["result"]["seed"]) == ("completed", 100, 9)
    inputs = gateway.transport.fake.calls[-1].inputs
    assert (inputs["person_id"][0], inputs["garment_id"][0]) == (b"ada", b"coat-1")
    assert (await gateway.client().get(done["result"]["imageUrl"])).headers["content-type"] == "image/png"
    (entry,) = (await shop.get("/api/fitting/vto-history", headers=ADA)).json()["data"]
    assert (entry["clothingIds"], entry["seen"], entry["isVisible"]) == (["coat-1"], False, True)
    assert (await shop.patch("/api/fitting/vto/mark-all-seen", headers=ADA)).json() == {"count": 1}
    assert (await shop.patch(f"/api/fitting/vto/{entry['id']}/hide", headers=ADA)).json() == {"success": True}
    assert (await shop.get("/api/fitting/vto-history", headers=ADA)).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/fitting/single-item-tryon", {"clothingId": "a", "denoiseSteps": None}),
        ("/api/fitting/batch-tryon", {"clothingIds": ["a"], "category": None, "userId": None}),
        ("/vton/generate-tryon", {"user_id": "ada", "clothing_id": "a", "denoise_steps": None}),
        ("/generate", {"bg_prompt": "x", "start_step": None, "text_position": None, "test_mode": None}),
    ],
)
async def test_a_null_counts_as_left_out(shop, gateway, path, body):
    """JavaScript sends it for what was not chosen; the default is used."""
    answer = await shop.post(path, json={**body, "seed": None}, headers=ADA)
    assert answer.status_code in (200, 201), answer.text
    (job,) = await gateway.query(select(Job.request))
    assert job.request["options"].get("seed", 42) == 42


@pytest.mark.parametrize("name", ["seed", "num_samples"])
async def test_true_is_no_number_for_fashn(shop, name):
    """Python would take it for 1."""
    inputs = {"model_image": "x", "garment_image": "x", name: True}
    answer = await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})
    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    assert f"{name}: must be a whole number" in answer.json()["message"]


async def test_the_apps_prices(shop):
    """A partial try-on costs 2, a batch 1 for each garment."""
    ids = {"clothingIds": ["a", "b", "c"], "userId": "ada"}
    await shop.post("/api/fitting/partial-try-on-by-ids", json=ids)
    batch = (await shop.post("/api/fitting/batch-tryon", json=ids)).json()
    assert [job["clothingId"] for job in batch["jobs"]] == ["a", "b", "c"]
    whole = (await shop.get(f"/v1/batches/{batch['batchId']}")).json()
    assert [job["id"] for job in whole["jobs"]] == [job["jobId"] for job in batch["jobs"]]
    assert (await shop.get("/v1/credits")).json()["credits"] == 95


async def test_the_gpu_host_answers_when_it_is_done(shop, gateway):
    """CloszIT's server: one call, one picture; health with the cache's statistics."""
    body = {"user_id": "ada", "clothing_id": "coat-1", "denoise_steps": 2}
    done = (await shop.post("/vton/generate-tryon-v2", json=body)).json()
    assert done["success"]
    assert (await gateway.client().get(done["image_url"])).status_code == 200
    health = (await gateway.client().get("/health")).json()
    assert (health["status"], health["cache_stats"]["total_requests"]) == ("healthy", 0)


async def test_only_the_old_account_clears_the_servers_cache(start):
    """Names in the server's cache are shared by all accounts: others may not remove them."""
    async with start(old_account="closzit") as gateway:
        await gateway.account("closzit")
        other = await gateway.account("other")
        assert (await other.delete("/cache/human/ada")).status_code == 403
        unchanged = gateway.client()  # the old server sends no key
        assert (await unchanged.delete("/cache/human/ada")).json() == {"success": True}
        assert gateway.transport.fake.calls[-1].inputs["person_id"][0] == b"ada"


async def test_names_in_the_servers_cache_may_hold_a_slash(start):
    """The old service's own names reach the server as they are."""
    async with start(old_account="closzit") as gateway:
        await gateway.account("closzit")
        unchanged, calls = gateway.client(), gateway.transport.fake.calls
        assert (await unchanged.delete("/cache/human/org%2Fada")).json() == {"success": True}
        assert calls[-1].inputs["person_id"][0] == b"org/ada"
        assert (await unchanged.delete("/cache/garment/org%2Fcoat")).json() == {"success": True}
        assert calls[-1].inputs["garment_id"][0] == b"org/coat"


async def test_the_gpu_host_prepares_what_later_try_ons_name(start, person):
    """Photos as base64 or as files are kept under their ids, a description by its words; owners only."""
    image = base64.b64encode(person).decode()
    async with start(old_account="closzit") as gateway:
        await gateway.account("closzit")
        unchanged, calls = gateway.client(), gateway.transport.fake.calls
        sent = {"user_id": "ada", "category": "dresses", "image": f"data:image/png;base64,{image}"}
        made = (await unchanged.post("/vton/preprocess-human", json=sent)).json()
        assert (made["success"], made["user_id"], made["category"]) == (True, "ada", "dresses")
        assert (calls[-1].model, calls[-1].inputs["person_id"][0]) == ("prepare_person", b"ada")
        files = {"image": ("coat.png", person, "image/png")}
        made = await unchanged.post("/vton/preprocess-garment", data={"clothing_id": "coat"}, files=files)
        assert made.json()["success"]
        assert (calls[-1].model, calls[-1].inputs["garment_id"][0]) == ("prepare_garment", b"coat")
        kept, photo = (Image.open(io.BytesIO(one)) for one in (calls[-1].inputs["garment"][0], person))
        assert np.array_equal(np.asarray(kept), np.asarray(photo.convert("RGB")))
        made = await unchanged.post("/vton/preprocess-text", json={"description": "a red coat"})
        assert made.json()["success"]
        other = await gateway.account("other")
        assert (await other.post("/vton/preprocess-human", json=sent)).status_code == 403
        for wrong, status in (
            ({**sent, "image": "%%"}, 400),
            ({**sent, "image": base64.b64encode(b"text").decode()}, 415),
            ({**sent, "category": "hat"}, 422),
            ({"user_id": "ada"}, 422),
            ({**sent, "image": ""}, 400),
        ):
            assert (await unchanged.post("/vton/preprocess-human", json=wrong)).status_code == status


async def test_an_old_account_that_is_not_there_is_told(start, capsys):
    """The start warns of it, and calls without a key are 503 until it is made."""
    async with start(old_account="closzit") as gateway:
        assert "none of the name 'closzit'" in capsys.readouterr().out
        unchanged = gateway.client()
        refused = await unchanged.get("/api/fitting/vto-history", headers=ADA)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert "GATEWAY_OLD_ACCOUNT must name an account" in refused.json()["detail"]
        await gateway.account("closzit")
        assert (await unchanged.get("/api/fitting/vto-history", headers=ADA)).status_code == 200


async def test_the_apps_user_may_have_a_korean_name(shop):
    """`X-User-ID` in UTF-8 is the same user as `userId`; one in Latin-1 is read as such."""
    body = {"clothingId": "coat-1", "userId": "김민수"}
    queued = (await shop.post("/api/fitting/single-item-tryon", json=body)).json()
    await polled(shop, f"/queue/job/vto/{queued['jobId']}", "state", ("completed",))
    for named, entries in (("김민수".encode(), 1), ("é".encode("latin-1"), 0)):
        history = await shop.get("/api/fitting/vto-history", headers={"X-User-ID": named})
        assert (history.status_code, len(history.json()["data"])) == (200, entries)


async def test_without_the_setting_old_routes_need_a_key(gateway):
    """Nobody is let in by default."""
    answer = await gateway.client().post("/vton/generate-tryon", json={"user_id": "a", "clothing_id": "b"})
    assert answer.status_code == 401


async def test_the_ad_servers_status_and_stop(start, form):
    """A job's state in the ad server's words, with its errors."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form)).json()
        assert (await shop.get(f"/status/{job['id']}")).json()["status"] == "pending"
        assert (await shop.post(f"/stop/{job['id']}")).json()["status"] == "stopped"
        assert (await shop.get(f"/status/{job['id']}")).json()["status"] == "error"
        missing = await shop.get("/status/job_none")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "JOB_NOT_FOUND")


async def test_what_closzit_had_and_we_have_not_says_so(shop):
    """Routes that are not served answer with a problem."""
    answer = await shop.post("/api/fitting/sns-full-try-on", json={})
    assert (answer.status_code, answer.json()["code"]) == (501, "not_served_yet")


async def test_fashns_run_and_status(shop, gateway, person, garment):
    """FASHN's call with base64, polled to the link of the picture."""
    inputs = {
        "model_image": "data:image/png;base64," + base64.b64encode(person).decode(),
        "garment_image": base64.b64encode(garment).decode(),
        "category": "tops",
        "seed": 3,
        "mode": "balanced",
    }
    run = (await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})).json()
    assert run["error"] is None
    done = await polled(shop, f"/v1/status/{run['id']}", "status", ("completed", "failed"))
    assert (await gateway.client().get(done["output"][0])).status_code == 200
    assert gateway.transport.fake.calls[-1].inputs["category"][0] == b"upper_body"


async def test_fashns_errors(shop, gateway, person, garment):
    """Errors have FASHN's form and statuses, 429 for credits included."""
    encoded = base64.b64encode(garment).decode()
    for model, inputs, status in (
        ("tryon-v9", {"model_image": encoded, "garment_image": encoded}, 400),
        ("tryon-v1.6", {"model_image": encoded}, 400),
        ("tryon-v1.6", {"model_image": "https://example.org/me.png", "garment_image": encoded}, 400),
    ):
        answer = await shop.post("/v1/run", json={"model_name": model, "inputs": inputs})
        assert (answer.status_code, answer.json()["error"]) == (status, "BadRequest")
    poor = await gateway.account("poor", credits=0)
    body = {"model_name": "tryon-v1.6", "inputs": {"model_image": encoded, "garment_image": encoded}}
    answer = await poor.post("/v1/run", json=body)
    assert (answer.status_code, answer.json()["error"]) == (429, "OutOfCredits")
    assert (await shop.get("/v1/status/none")).status_code == 404
