"""A language model behind an endpoint: a real HTTP server answers, is slow, fails, or talks nonsense."""

import asyncio
import logging

import pytest
from vitrine.errors import Unavailable
from vitrine_orchestrator.ad_prompts.endpoint import Endpoint, boxes, endpoint_of
from vitrine_orchestrator.settings import BadSettings, Settings

SENTENCE = "카페에서 쓰는 빨간 머그잔"
LINE = "a medium-sized red mug on a dark wooden table in a cafe"
GOOD = '{"prompt": "a red mug  on a cafe table,\\n soft light"}'


def quick(endpoint, **changes):
    """The endpoint with other limits."""
    return Endpoint(**{**vars(endpoint), **changes})


def test_the_endpoint_s_prompt_is_used(model, endpoint, prepared):
    """It gets the sentence, the facts and the key; white space of its prompt is tidied."""
    model.reply(200, GOOD)
    prompt, negative, report = prepared(SENTENCE, endpoint)
    assert prompt == "a red mug on a cafe table, soft light"
    assert negative.startswith("text, letters")
    assert (report["way"], report["fallback"]) == ("endpoint", None)
    path, key, body = model.asked[0]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer sk-very-secret", "tiny")
    assert SENTENCE in body["messages"][1]["content"]


WRAPPED = [
    f"```json\n{GOOD}\n```",
    f"```JSON\n{GOOD}\n```",
    f"Here is your {{prompt}}:\n```\n{GOOD}\n```\nTell me if you want another.",
    f'<think>A {{"prompt": "a mug"}}? No.</think>\n{GOOD}',
    f"The template began my thoughts.</think>{GOOD}",
]


@pytest.mark.parametrize("content", WRAPPED, ids=range(len(WRAPPED)))
def test_an_answer_in_a_fence_or_after_thoughts_is_read(content, model, endpoint, prepared):
    """Many models wrap JSON into a code block, say something around it, or think first."""
    model.reply(200, content)
    assert prepared(SENTENCE, endpoint)[0] == "a red mug on a cafe table, soft light"


NONSENSE = [
    ("Here is your prompt: a red mug", "not a JSON object"),
    ("[1, 2]", "not a JSON object"),
    (b"<html>", "not a JSON object"),
    (b'{"choices": []}', "not a JSON object"),
    (b"[" * 100_000, "not a JSON object"),
    ('{"text": "a red mug"}', "has no prompt"),
    ('{"prompt": 7}', "has no prompt"),
    ('<think>{"prompt": "a mug"} may do', "not a JSON object"),
    ("{" * 100_000, "not a JSON object"),
    ('{"prompt": "I am sorry, but I can\'t help with that."}', "refused to write a prompt"),
    ('{"prompt": "I can’t create pictures of alcohol."}', "refused to write a prompt"),
    ('{"prompt": "빨간 머그잔"}', "is not English"),
    ('{"prompt": "' + "a" * 1001 + '"}', "more than 1000 characters"),
    (r'{"prompt": "a red mug \ud83d on a table"}', "has characters that are no text"),
    (r'{"prompt": "a red\u0000 mug \u001b[31m"}', "has characters that are no text"),
    (b" " * (2**20 + 1), "more than 1048576 bytes"),
]


@pytest.mark.parametrize(("content", "said"), NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_falls_back_to_the_tables(content, said, model, endpoint, prepared):
    """The prompt is the tables', the report says why, and nonsense is not asked for twice."""
    model.reply(200, content)
    prompt, _, report = prepared(SENTENCE, endpoint)
    assert prompt.startswith(LINE)
    assert report["way"] == "tables"
    assert said in report["fallback"]
    assert len(model.asked) == 1


def test_a_busy_server_is_asked_again(model, endpoint, prepared):
    """429 and then an answer: one retry, after what the server asked for."""
    model.reply(429, b"", Retry_After="0").reply(200, GOOD)
    assert prepared(SENTENCE, endpoint)[2]["way"] == "endpoint"
    assert len(model.asked) == 2


def test_a_server_that_stays_busy_is_given_up(model, endpoint, prepared):
    """The tries are counted, and a long Retry-After is not waited for."""
    model.reply(429, b"")
    assert prepared(SENTENCE, endpoint)[2]["fallback"].endswith("answered with status 429")
    assert len(model.asked) == 2
    model.replies.clear()
    model.reply(503, b"", Retry_After="3600")
    assert prepared(SENTENCE, endpoint)[2]["fallback"].endswith("status 503")
    assert len(model.asked) == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_a_refusal_is_final(status, model, endpoint, prepared):
    """A wrong key or name is not tried again, and no redirect is followed: it would carry the key away."""
    model.reply(status, b"{}", Location="http://127.0.0.1:9/v1")
    assert f"status {status}" in prepared(SENTENCE, endpoint)[2]["fallback"]
    assert len(model.asked) == 1


def test_a_slow_server_is_not_waited_for(model, endpoint, prepared):
    """The time limit holds for all tries together."""
    model.pause_s = 2.0
    model.reply(200, GOOD)
    report = prepared(SENTENCE, quick(endpoint, timeout_s=0.2))[2]
    assert report["fallback"] == "the language model did not answer within 0.2 s"
    assert report["timings"]["endpoint"] < 1.5


def test_a_server_that_is_not_there_is_named_without_its_address(endpoint, prepared):
    """Port 9 of this machine refuses connections."""
    fallback = prepared(SENTENCE, quick(endpoint, url="http://127.0.0.1:9/v1"))[2]["fallback"]
    assert fallback == "the language model cannot be reached (ConnectError)"


PROXIES = ["socks5://127.0.0.1:9", "socks4://127.0.0.1:9", "ftp://127.0.0.1:9", " http://127.0.0.1:9"]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_cannot_be_used_is_no_internal_error(proxy, prepared, monkeypatch):
    """The tables answer where the environment changed later; at the start it stops the model."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    away = Endpoint("http://models.example/v1", "tiny", timeout_s=5, retries=0)
    report = prepared(SENTENCE, away)[2]
    assert report["way"] == "tables"
    assert report["fallback"].startswith("the language model cannot be reached")
    with pytest.raises(Unavailable, match="cannot be reached"):
        asyncio.run(boxes(away, b"\x89PNG", "where?"))
    with pytest.raises(BadSettings, match="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY must be http"):
        endpoint_of(settings(url=away.url, model="tiny"))


def test_an_address_that_no_request_can_have_falls_back(endpoint, prepared):
    """As an error of the network does."""
    fallback = prepared(SENTENCE, quick(endpoint, url="http://256.1.1.1/v1"))[2]["fallback"]
    assert fallback == "the language model cannot be reached (InvalidURL)"


def test_without_any_way_the_error_says_both(model, endpoint, prepared):
    """No answer and no known word: nothing is guessed."""
    model.reply(500, b"")
    with pytest.raises(Unavailable, match=r"status 500, and the tables know no word of the sentence"):
        prepared("고양이 츄르", endpoint)


def test_the_endpoint_reads_what_the_tables_cannot(model, endpoint, prepared):
    """A Korean sentence of unknown words is no error while the endpoint answers."""
    model.reply(200, '{"prompt": "a cat treat in a squeeze pouch"}')
    assert prepared("고양이 츄르", endpoint)[0] == "a cat treat in a squeeze pouch"


def test_neither_key_nor_address_is_told(model, endpoint, prepared, caplog):
    """They are in no report, no log and no text of the objects."""
    caplog.set_level(logging.INFO, logger="vitrine_orchestrator")
    model.reply(401, b"{}")
    settings = Settings.from_environment({"VITRINE_LLM_KEY": "sk-very-secret"})
    told = f"{prepared(SENTENCE, endpoint)} {caplog.text} {endpoint} {settings}"
    assert "very-secret" not in told
    assert model.url not in told


def test_no_proxy_stands_before_this_machine(model, endpoint, prepared, monkeypatch):
    """A proxy of the environment is for other hosts; here it would be a closed port."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    model.reply(200, GOOD)
    assert prepared(SENTENCE, endpoint)[2]["way"] == "endpoint"
    assert not Endpoint("http://models.example/v1", "tiny").is_local


def test_a_vision_model_proposes_boxes(model, endpoint):
    """The picture travels as a data URL; boxes that are none are left out."""
    model.reply(
        200, '{"boxes": [[0.1, 0.2, 0.5, 0.6], [0.5, 0, 0.2, 1], [0, 0, 2, 1], "x", [0, 0, true, 1]]}'
    )
    found = asyncio.run(boxes(endpoint, b"\x89PNG", "where is room for a headline?"))
    assert found == [(0.1, 0.2, 0.5, 0.6)]
    text, picture = model.asked[0][2]["messages"][1]["content"]
    assert text["text"] == "where is room for a headline?"
    assert picture["image_url"]["url"] == "data:image/png;base64,iVBORw=="


@pytest.mark.parametrize("answer", ['{"boxes": []}', '{"boxes": [[0, 0, 1]]}', '{"boxes": 3}', "{}"])
def test_an_answer_without_a_box_is_unavailable(answer, model, endpoint):
    """The caller falls back to its own search."""
    model.reply(200, answer)
    with pytest.raises(Unavailable, match="no box of four shares"):
        asyncio.run(boxes(endpoint, b"\x89PNG", "where?"))


def settings(**given):
    """Settings from the environment."""
    return Settings.from_environment({f"VITRINE_LLM_{name.upper()}": one for name, one in given.items()})


def test_the_settings_make_an_endpoint(tmp_path):
    """The key comes from the environment or from a file, which is trimmed."""
    file = tmp_path / "key"
    file.write_text("sk-of-file\n")
    given = {"url": "http://127.0.0.1:8000/v1/", "model": "tiny", "timeout_s": "1.5", "retries": "0"}
    assert endpoint_of(settings(**given, key_file=str(file))) == Endpoint(
        "http://127.0.0.1:8000/v1", "tiny", "sk-of-file", 1.5, 0
    )
    assert endpoint_of(settings(**given, key="sk-a")).key == "sk-a"
    lined = {**given, "url": " http://127.0.0.1:8000/v1/\n"}  # as a file of a secret ends
    assert endpoint_of(settings(**lined)).url == "http://127.0.0.1:8000/v1"
    assert endpoint_of(Settings()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "http://127.0.0.1:1/v1"}, "VITRINE_LLM_MODEL must be given"),
        ({"url": "ftp://host/v1", "model": "m"}, r"must be http\(s\)://host"),
        ({"url": "http://user:pass@host/v1", "model": "m"}, "without user or query"),
        ({"url": "http://host:port/v1", "model": "m"}, r"must be http\(s\)://host"),
        ({"url": "http://256.1.1.1/v1", "model": "m"}, r"must be http\(s\)://host"),
        ({"url": "http://a host/v1", "model": "m"}, r"must be http\(s\)://host"),
        (
            {"url": "http://host/v1", "model": "m", "key_file": "/nowhere"},
            "a text file that the server can read",
        ),
        ({"url": "http://host/v1", "model": "m", "key": "sk-ü"}, "one line of ASCII"),
    ],
)
def test_wrong_settings_stop_the_model(given, said):
    """The message names the setting, and never the key or a password."""
    with pytest.raises(BadSettings, match=said) as caught:
        endpoint_of(settings(**given))
    assert not {"pass@", "sk-"} & set(str(caught.value).split())
