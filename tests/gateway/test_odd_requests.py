"""Requests that Python's readers take and no database or answer can hold are the caller's mistake, no 5xx."""

import base64
import json

import pytest

JSON = {"Content-Type": "application/json"}
TEXTS = {"pipeline": "text_overlay", "inputs": {"image": {"file_id": "x"}, "texts": [{"size": "HERE"}]}}


@pytest.mark.databases
@pytest.mark.parametrize(
    "content",
    ["[" * 3000, f'[1{"0" * 400}, "x"]', '[1, "\\ud800"]', '[NaN, "x"]', "[1]", "7", '["a", "b"]', ""],
    ids=["deep", "huge", "half a character", "nan", "short", "number", "words", "nothing"],
)
async def test_a_cursor_that_is_none_of_ours_is_refused(shop, content):
    """Whatever its base64 holds."""
    cursor = base64.urlsafe_b64encode(content.encode()).decode() or "!"
    for path in ("/v1/jobs", "/v1/batches", "/v1/garments", "/v1/users/ada/history"):
        answer = await shop.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), path


@pytest.mark.databases
@pytest.mark.parametrize(
    "odd",
    ["NaN", "-Infinity", "1e999", '"\\ud800"', '"\\uDC00 x"'],
    ids=["nan", "infinite", "large", "first half", "second half"],
)
async def test_json_has_finite_numbers_and_whole_characters(shop, odd):
    """What Python's reader takes beyond JSON is no JSON here."""
    body = json.dumps(TEXTS).replace('"HERE"', odd)
    answer = await shop.post("/v1/jobs", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    whole = json.dumps(TEXTS).replace('"HERE"', '"\\ud83d\\ude00"')
    assert (await shop.post("/v1/jobs", content=whole, headers=JSON)).json()["code"] == "not_found"


@pytest.mark.databases
@pytest.mark.parametrize("file_id", ["\\ud800", "\\u0000"], ids=["half a character", "nothing"])
async def test_a_file_id_is_text(shop, file_id):
    """The id of a file is refused where no database could look for it."""
    body = f'{{"pipeline": "cut_out", "inputs": {{"image": {{"file_id": "{file_id}"}}}}}}'
    answer = await shop.post("/v1/jobs", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_forms_charset_makes_no_half_characters(shop):
    """A form in UTF-7 can write what UTF-8 cannot."""
    fields = {"pipeline": "cut_out", "image_file_id": "+2AA-"}
    head = 'content-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    parts = [f"--x\r\n{head.format(*one)}" for one in fields.items()]
    headers = {"Content-Type": "multipart/form-data; boundary=x; charset=utf-7"}
    answer = await shop.post("/v1/jobs", content="".join([*parts, "--x--\r\n"]).encode(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_media_types_have_no_case(shop, form):
    """A form is a form, however its type is written."""
    sent = shop.build_request("POST", "/v1/jobs", files=form)
    sent.headers["content-type"] = sent.headers["content-type"].replace("multipart", "Multipart")
    assert (await shop.send(sent)).status_code == 202


@pytest.mark.parametrize("preference", ['wait="20"', "Wait=20", "wait = 20", "respond-async, wait=20"])
async def test_preferences_are_read_as_rfc_7240_writes_them(shop, form, preference):
    """Names have no case, values may have quotes, "=" may have space around it."""
    answer = await shop.post("/v1/jobs", files=form, headers={"Prefer": preference})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=20")
