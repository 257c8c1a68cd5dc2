"""What browsers, proxies and command lines send beside the calls of programs."""

import base64
import gzip
import json

import httpx2
import pytest
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.settings import Settings

WANTED = {"pipeline": "text_to_image", "inputs": {"prompt": "x"}}


def test_head_is_get_without_the_body(served):
    """A real server answers HEAD with the headers of GET, wherever GET is no stream."""
    address, key = served
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}) as http:
        job = http.post("/v1/jobs", json=WANTED, headers={"Prefer": "wait=20"}).json()
        paths = (job["result"]["image"]["url"], "/", "/healthz", "/page/base.css", job["urls"]["result"])
        for path in paths:
            head, whole = http.head(path), http.get(path)
            assert (head.status_code, head.content) == (200, b""), path
            assert len(whole.content) == int(head.headers["content-length"]), path
            assert head.headers["content-type"] == whole.headers["content-type"], path
        assert http.head("/v1/jobs/job_none").status_code == 404
        refused = http.head(job["urls"]["events"])
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/images/generations", "/generate", "/mcp"])
async def test_a_packed_body_is_refused_by_its_header(shop, path):
    """415 names Content-Encoding, on every contract."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await shop.post(path, content=gzip.compress(json.dumps(WANTED).encode()), headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.text


async def test_empty_fields_of_a_form_count_as_absent(shop, form):
    """A browser sends each field of a form: a file that was not chosen has no name and no bytes."""
    files = [*form.items(), ("mask", ("", b"", "application/octet-stream"))]
    answer = await shop.post("/v1/jobs", files=files, data={"seed": "", "category": "", "person_file_id": ""})
    assert answer.status_code == 202, answer.text
    kept = await shop.post("/v1/garments", files={"file": form["garment"]}, data={"category": "", "user": ""})
    assert kept.status_code == 201, kept.text


async def test_empty_ones_of_several_fields_keep_their_places(shop, gateway, form):
    """The second of two descriptions belongs to the second garment."""
    files = [("person", form["person"]), ("garment", form["garment"]), ("garment", form["garment"])]
    sent = {"description": ["", "a red coat"]}
    answer = await shop.post("/v1/jobs", files=files, data=sent, headers={"Prefer": "wait=20"})
    assert answer.json()["status"] == "succeeded", answer.text
    told = gateway.transport.fake.calls[-1].inputs["description"].ravel()
    assert list(told) == [b"", b"a red coat"]


async def test_a_state_that_is_none_is_told_the_states(shop):
    """An unknown state of jobs is no empty list."""
    answer = await shop.get("/v1/jobs", params={"status": "completed"})
    assert answer.status_code == 422
    assert "'queued', 'running', 'succeeded', 'failed' or 'canceled'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ({"width": 64}, "width and height must be given together, got width only"),
        (
            {"width": 64, "height": 64, "aspect_ratio": "4:5"},
            "aspect_ratio must not be given together with width",
        ),
    ],
)
async def test_half_a_size_becomes_no_job(shop, size, told):
    """What the server would refuse later is refused at once."""
    answer = await shop.post(
        "/v1/jobs", json={"pipeline": "text_to_image", "inputs": {"prompt": "x", **size}}
    )
    assert (answer.status_code, answer.json()["detail"]) == (422, f"/: {told}")


async def test_a_union_is_told_by_its_own_name(shop, garment):
    """The pointer has the field's name, not the checker's words for its kinds."""
    image = base64.b64encode(garment).decode()
    body = {"pipeline": "score", "inputs": {"image": image, "prompt": ""}}
    answer = await shop.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/prompt")


async def test_pages_of_other_origins_are_served_where_the_setting_names_them(start):
    """A browser asks first, by OPTIONS, and reads only what the answer lets it; errors included."""
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }
    ours, others = {"Origin": "https://shop.example"}, {"Origin": "https://other.example"}
    async with start(origins="https://shop.example, http://localhost:3000", workers=0) as gateway:
        shop = await gateway.account()
        before = await shop.options("/v1/jobs", headers=ours | asked)
        assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, ours["Origin"])
        assert "idempotency-key" in before.headers["access-control-allow-headers"]
        for body, status in ((WANTED, 202), ({}, 422)):
            answer = await shop.post("/v1/jobs", json=body, headers=ours)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == ours["Origin"]
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert (await shop.options("/v1/jobs", headers=others | asked)).status_code == 400
        assert "access-control-allow-origin" not in (await shop.get("/v1/jobs", headers=others)).headers


async def test_without_the_setting_no_other_origin_is_served(shop):
    """No answer lets a page of another origin read it."""
    answer = await shop.get("/v1/jobs", headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["*", "shop.example", "https://shop.example/", "https://*.example", "null"]
)
def test_an_origin_has_a_scheme_and_a_host_alone(origin):
    """Anything else would fit no browser's header, or every one's."""
    with pytest.raises(BadSettings, match="GATEWAY_ORIGINS"):
        Settings.of(origins=origin)
