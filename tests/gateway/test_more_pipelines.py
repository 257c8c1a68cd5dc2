"""Cut-outs and scores as jobs, and the routes and tools that use scores."""

import base64
import io
import json

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from vitrine_gateway.interpretations import interpretation

WAIT = {"Prefer": "wait=30"}


async def test_a_product_is_cut_out(shop, gateway, garment):
    """The result is a PNG with transparency; many pictures are a batch."""
    files = [("image", ("cup.png", garment, "image/png"))]
    job = (await shop.post("/v1/jobs", data={"pipeline": "cut_out"}, files=files, headers=WAIT)).json()
    assert (job["status"], job["price"], job["result"]["image"]["media_type"]) == (
        "succeeded",
        1,
        "image/png",
    )
    made = await gateway.client().get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).mode == "RGBA"
    batch = (
        await shop.post("/v1/batches", data={"pipeline": "cut_out"}, files=files * 2, headers=WAIT)
    ).json()
    assert batch["counts"] == {"succeeded": 2}


async def test_a_product_becomes_an_advertisement(shop, gateway, garment):
    """The sentence, the text and the shadow reach the server; a batch has one ad for each product."""
    files = [("product", ("cup.png", garment, "image/png"))]
    data = {"pipeline": "product_ad", "sentence": "카페 신메뉴", "text": "4,500원", "shadow": "contact"}
    job = (await shop.post("/v1/jobs", data=data, files=files, headers=WAIT)).json()
    assert (job["status"], job["price"], job["result"]["image"]["media_type"]) == (
        "succeeded",
        2,
        "image/png",
    )
    made = await gateway.client().get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).size == (job["result"]["width"], job["result"]["height"])
    batch = (await shop.post("/v1/batches", data=data, files=files * 2, headers=WAIT)).json()
    assert batch["counts"] == {"succeeded": 2}
    refused = await shop.post("/v1/jobs", data={**data, "shadow": "green"}, files=files)
    assert refused.status_code == 422


async def test_texts_are_set_on_a_picture(shop, gateway, garment):
    """A form has texts of the same fields, JSON every field of each; a batch has one job for each picture."""
    files = [("image", ("cup.png", garment, "image/png")), ("keep_clear", ("mask.png", garment, "image/png"))]
    data = {"pipeline": "text_overlay", "text": "4,500원", "template": "ribbon", "subline": "오늘만"}
    job = (await shop.post("/v1/jobs", data=data, files=files, headers=WAIT)).json()
    assert (job["status"], job["price"]) == ("succeeded", 1)
    assert job["result"]["texts"][0]["text"] == "4,500원"
    made = await gateway.client().get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).size == (job["result"]["width"], job["result"]["height"])
    batch = (await shop.post("/v1/batches", data=data, files=files * 2, headers=WAIT)).json()
    assert batch["counts"] == {"succeeded": 2}
    texts = ["위", {"text": "아래", "rotation": 5}]
    image = base64.b64encode(garment).decode()
    for inputs in ({"texts": texts, "anchor": "top"}, {"html": "<p>세일"}):
        body = {"pipeline": "text_overlay", "inputs": {"image": image, **inputs}}
        assert (await shop.post("/v1/jobs", json=body, headers=WAIT)).json()["status"] == "succeeded"
    sent = [json.loads(call.inputs["texts"][0]) for call in gateway.transport.fake.calls]
    assert sent[0] == [{"text": "4,500원", "template": "ribbon", "subline": "오늘만"}]
    assert sent[-2:] == [
        [{"text": "위", "anchor": "top"}, {"text": "아래", "rotation": 5, "anchor": "top"}],
        [{"html": "<p>세일"}],
    ]
    for wrong in ({}, {"text": "a", "html": "b"}, {"text": "a", "size": 3}, {"text": "가" * 1001}):
        body = {"pipeline": "text_overlay", "inputs": {"image": image, **wrong}}
        assert (await shop.post("/v1/jobs", json=body)).status_code == 422


async def test_a_score_is_a_job_without_a_picture(shop, garment, person):
    """Two pictures and two prompts are four cosines; the history shows the job without an image."""
    inputs = {
        "image": [base64.b64encode(one).decode() for one in (garment, person)],
        "prompt": ["a red coat", "a cup"],
    }
    body = {"pipeline": "score", "user": "ada", "inputs": inputs}
    job = (await shop.post("/v1/jobs", json=body, headers=WAIT)).json()
    assert job["result"]["cosine"] == [[0.3, 0.15], [0.3, 0.15]]
    assert job["result"]["clipscore"][0][0] == pytest.approx(0.75)
    assert job["result"]["prompts"][1]["cut"] == "no"
    assert "image" not in job["result"]
    (entry,) = (await shop.get("/v1/users/ada/history")).json()["data"]
    assert entry["result"]["model"] == "fake"
    assert (await shop.get(f"/status/{job['id']}")).json()["final_result"] is None
    old = (await shop.get("/api/fitting/vto-history", headers={"X-User-ID": "ada"})).json()["data"]
    assert [one["s3Url"] for one in old] == [None]


async def test_the_ad_servers_clip_score(shop, garment):
    """A score with its words; errors have the ad server's codes."""
    image = base64.b64encode(garment).decode()
    body = (await shop.post("/clip-score", json={"image": image, "prompt": "a coat"})).json()
    assert (body["score"], body["interpretation"]) == (0.3, interpretation(0.3))
    for sent, status, code in (
        ({"image": image, "prompt": "x", "model_type": "koclip"}, 501, "NOT_SERVED_YET"),
        ({"image": image}, 400, "INVALID_PROMPT"),
        ({"prompt": "x"}, 400, "INVALID_IMAGE"),
        ({"image": base64.b64encode(b"text").decode(), "prompt": "x"}, 415, "INVALID_IMAGE"),
    ):
        answer = await shop.post("/clip-score", json=sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await shop.get("/v1/credits")).json()["credits"] == 99


async def test_the_tool_scores_a_picture(gateway, shop, garment):
    """`calculate_clip_score` answers with the score, its words and the job."""
    transport = httpx2.ASGITransport(app=gateway.app)
    async with (
        httpx2.AsyncClient(transport=transport, headers=dict(shop.headers), timeout=30) as http,
        Client(streamable_http_client("http://gateway/mcp", http_client=http)) as client,
    ):
        sent = {"image": base64.b64encode(garment).decode(), "prompt": "a coat"}
        answer = await client.call_tool("calculate_clip_score", sent)
    assert answer.content[0].text == f"0.300: {interpretation(0.3)}"
    assert answer.structured_content["result"]["cosine"] == [[0.3]]


@pytest.mark.parametrize(
    ("cosine", "word"), [(0.31, "shows"), (0.25, "well"), (0.21, "in part"), (-0.2, "hardly")]
)
def test_words_for_scores(cosine, word):
    """Each band has its words."""
    assert word in interpretation(cosine)
