"""Cut-outs, ads, texts, descriptions and scores as jobs, and the routes and tools that use them."""

import asyncio
import base64
import io
import json

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from vitrine import Unavailable
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


async def test_an_advertisements_texts_have_all_their_fields(shop, gateway, garment):
    """JSON may say each text whole; text and texts together are refused."""
    inputs = {"product": base64.b64encode(garment).decode(), "prompt": "a wooden table"}
    texts = ["신메뉴", {"text": "4,500원", "anchor": "top", "template": "ribbon"}]
    body = {"pipeline": "product_ad", "inputs": {**inputs, "texts": texts}}
    assert (await shop.post("/v1/jobs", json=body, headers=WAIT)).json()["status"] == "succeeded"
    assert json.loads(gateway.transport.fake.calls[-1].inputs["texts"][0]) == texts
    body["inputs"]["text"] = "too"
    assert (await shop.post("/v1/jobs", json=body)).status_code == 422


async def test_a_picture_is_described(shop, garment):
    """The result has size, colours and free places, and no picture."""
    files = [("image", ("cup.png", garment, "image/png"))]
    data = {"pipeline": "picture_description"}
    job = (await shop.post("/v1/jobs", data=data, files=files, headers=WAIT)).json()
    assert (job["status"], job["price"]) == ("succeeded", 1)
    assert job["result"]["size"] == list(Image.open(io.BytesIO(garment)).size)
    assert job["result"]["places"][0]["shape"] == "banner"
    assert "image" not in job["result"]


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
        ({"image": "%%", "prompt": "x"}, 400, "INVALID_IMAGE"),
        ({"image": base64.b64encode(b"text").decode(), "prompt": "x"}, 400, "INVALID_IMAGE"),
    ):
        answer = await shop.post("/clip-score", json=sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await shop.get("/v1/credits")).json()["credits"] == 99


async def test_the_ad_servers_generate(shop, gateway, garment):
    """Stage 1 sets a product into a scene, with text; stage 2 sets text on a picture; polled to the end."""
    image = base64.b64encode(garment).decode()
    scene = {"bg_prompt": "a wooden table", "seed": 3, "guidance_scale": 3.5}
    words = {"text_content": "4,500원", "text_position": "top", "font_name": "Fake Sans"}
    text = {"text": "4,500원", "anchor": "top", "font": "Fake Sans"}
    for sent, pipeline, texts in (
        ({"start_step": 1, "product_image": image, **scene, **words}, "product_ad", [text]),
        ({"product_image": image, **scene, "bg_prompt": "나무 식탁 위의 신메뉴"}, "product_ad", None),
        ({"bg_prompt": "a cup of coffee"}, "text_to_image", None),
        ({"start_step": 2, "step1_image": image, **words}, "text_overlay", [text]),
    ):
        begun = (await shop.post("/generate", json=sent)).json()
        assert begun["status"] == "pending"
        while (state := (await shop.get(f"/status/{begun['job_id']}")).json())["status"] != "completed":
            assert state["status"] in ("pending", "running"), state["error"]
            await asyncio.sleep(0.02)
        assert state["current_step"] == pipeline
        assert (await gateway.client().get(state["final_result"])).status_code == 200
        called = gateway.transport.fake.calls[-1]
        assert (json.loads(called.inputs["texts"][0]) if "texts" in called.inputs else None) == texts
        assert ("sentence" in called.inputs) == ("식탁" in sent.get("bg_prompt", ""))


@pytest.mark.parametrize(
    ("sent", "status", "code", "says"),
    [
        ({}, 400, "INVALID_PROMPT", "bg_prompt"),
        ({"start_step": 3}, 400, "INVALID_PROMPT", "start_step"),
        ({"bg_prompt": "x", "text_content": "y"}, 400, "INVALID_IMAGE", "product_image"),
        ({"bg_prompt": "x", "product_image": "%%"}, 400, "INVALID_IMAGE", "product_image must be"),
        ({"bg_prompt": "x", "product_image": 3}, 400, "INVALID_IMAGE", "product_image"),
        ({"start_step": 2, "text_content": "y"}, 400, "INVALID_IMAGE", "step1_image"),
        ({"start_step": 2, "step1_image": "file_none"}, 400, "INVALID_PROMPT", "text_content"),
        ({"start_step": 2, "step1_image": "file_none", "text_content": "y"}, 404, "NOT_FOUND", "file_none"),
        ({"bg_prompt": "x", "test_mode": True}, 501, "NOT_SERVED_YET", "test_mode"),
    ],
)
async def test_what_generate_refuses(shop, sent, status, code, says):
    """In the ad server's form and codes, with the field's name; nothing is charged."""
    answer = await shop.post("/generate", json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert says in answer.json()["error"]["message"]
    assert (await shop.get("/v1/credits")).json()["credits"] == 100


async def test_the_ad_servers_fonts(gateway, shop):
    """The families that a text may name; a server that does not answer is an error of the same form."""
    assert (await shop.get("/fonts")).json() == {"fonts": ["Fake Sans"]}
    gateway.transport.fake.failures = [Unavailable("no server answers")]
    answer = await shop.get("/fonts")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")


async def test_the_tools_of_texts(gateway, shop, garment):
    """Fonts, what a picture offers for texts, and an advertisement of a product with text."""
    transport = httpx2.ASGITransport(app=gateway.app)
    image = base64.b64encode(garment).decode()
    async with (
        httpx2.AsyncClient(transport=transport, headers=dict(shop.headers), timeout=30) as http,
        Client(streamable_http_client("http://gateway/mcp", http_client=http)) as client,
    ):
        fonts = await client.call_tool("list_fonts", {})
        described = await client.call_tool("analyze_image", {"image": image})
        wanted = {"prompt": "나무 식탁", "product": image, "text": "4,500원", "font": "Fake Sans"}
        made = await client.call_tool("generate_ad_image", wanted)
        wrong = await client.call_tool("generate_ad_image", {"prompt": "a table", "text": "4,500원"})
    assert fonts.structured_content["families"] == ["Fake Sans"]
    assert "a banner at top" in described.content[0].text
    assert described.structured_content["pipeline"] == "picture_description"
    assert not made.is_error, made.content[0].text
    assert made.structured_content["pipeline"] == "product_ad"
    sent = json.loads(gateway.transport.fake.calls[-1].inputs["texts"][0])
    assert sent == [{"text": "4,500원", "anchor": "auto", "font": "Fake Sans"}]
    assert gateway.transport.fake.calls[-1].inputs["sentence"][0].decode() == "나무 식탁"
    assert wrong.is_error
    assert wrong.content[0].text.startswith("bad_request: text and font go with product")


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
