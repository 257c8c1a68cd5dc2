"""Texts by a real Triton: the same as in one process, together as alone, typed refusals, the command."""

import io
import json
import os
import shutil
import socket
import threading
import urllib.request
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_servers import png
from vitrine import BadRequest, Unavailable, Vitrine
from vitrine.command import main
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.lettering.html.browser import ADVICE, find_program, open_browser
from vitrine_orchestrator.lettering.options import read_texts
from vitrine_orchestrator.lettering.overlay import Setters, overlaid

ROOT = Path(__file__).parents[2]
TEXTS = [
    "신메뉴 4,500원",
    {"text": "新作", "vertical": True},
    {"text": "세일", "subline": "오늘만", "template": "ribbon", "size": 16},
]


@pytest.fixture(scope="module")
def scene():
    """A picture, half of it noise, and a mask of what must stay clear."""
    picture = np.random.default_rng(0).integers(0, 255, (200, 260, 3), np.uint8)
    picture[:, 130:] = 180
    keep = np.zeros((200, 260), np.uint8)
    keep[60:160, 20:90] = 255
    return picture, keep


def test_a_served_overlay_is_the_one_made_in_this_process(vitrine, scene):
    """The same pixels over the wire, with the product kept clear, and the seconds of each step."""
    picture, keep = scene
    served = vitrine.text_overlay(picture, TEXTS, keep_clear=keep)
    setters = Setters(open_fonts(None))
    local, reports = overlaid(picture, read_texts(json.dumps(TEXTS).encode()), setters, keep)
    setters.close()
    assert np.array_equal(np.asarray(served.image), local)
    assert [dict(one) for one in served.texts] == reports
    assert {"decode", "texts", "encode", "total"} <= served.timings.keys()


def test_overlays_at_the_same_time_equal_those_alone(vitrine, scene):
    """Requests share the fonts and nothing else."""
    wanted = ["가", "나 다", "新作", "Sale 50%"]
    alone = [vitrine.text_overlay(scene[0], one).encoded for one in wanted]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda one: vitrine.text_overlay(scene[0], one).encoded, wanted * 2))
    assert together == alone * 2


@pytest.mark.parametrize(
    ("picture", "texts", "said"),
    [
        (
            np.zeros((4000, 1, 3), np.uint8),
            "가",
            "at least 32 pixels wide and high, got 1x4000",
        ),
        (None, "가" * 10_000, "texts[0].text must have at most 1000 characters, got 10000"),
        (None, "불 🔥", "got '🔥' U+1F525 FIRE"),
        (None, "a\u202eb", "got U+202E RIGHT-TO-LEFT OVERRIDE"),
        (None, {"text": "가", "font": "/etc/passwd"}, "font must be one of sans, serif, round"),
        (None, {"text": "불 🔥", "template": "card"}, "got '🔥' U+1F525 FIRE"),
        (None, {"text": "가" * 900, "template": "ribbon"}, "texts[0] must fit at its least size"),
        (None, {"html": "<p>a"}, "this server draws no pages of callers (VITRINE_CALLER_HTML is off)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "가", "image is an SVG; send PNG"),
    ],
    ids=["a line", "long", "emoji", "bidi", "font", "emoji in html", "long in html", "page", "svg"],
)
def test_a_served_refusal_is_typed(vitrine, scene, picture, texts, said):
    """The caller gets a bad request that says what to do."""
    with pytest.raises(BadRequest) as refused:
        vitrine.text_overlay(scene[0] if picture is None else picture, texts)
    assert said in str(refused.value)


def test_a_caller_of_pure_json_gets_base64(triton, scene):
    """Texts are JSON inside JSON, and the picture of the answer is text."""
    tensors = {"image": b64encode(png(scene[0])).decode(), "texts": json.dumps(TEXTS), "encoding": "base64"}
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in tensors.items()
    ]
    request = urllib.request.Request(
        f"http://{triton.http}/v2/models/text_overlay/infer",
        json.dumps({"inputs": inputs}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = {one["name"]: one["data"][0] for one in json.load(answer)["outputs"]}
    with Image.open(io.BytesIO(b64decode(outputs["image"]))) as made:
        assert made.size == (260, 200)


def test_the_command_writes_the_picture(triton, scene, tmp_path, capsys):
    """`vitrine text` writes the picture, and nothing where a text cannot be set."""
    photo, mask, out = (tmp_path / name for name in ("a.png", "mask.png", "out.png"))
    photo.write_bytes(png(scene[0]))
    Image.fromarray(scene[1]).save(mask)
    words = ["text", str(photo), "신메뉴 4,500원", "-o", str(out), "--url", triton.grpc]
    assert main([*words, "--keep-clear", str(mask), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["texts"]
    assert told["overlap"] == 0
    assert told["contrast_p5"] >= 4.5
    out.unlink()
    assert main([*words, "--font", "no such"]) == 1
    assert "font must be one of" in capsys.readouterr().err
    assert not out.exists()


def test_a_served_page_is_drawn_and_a_hostile_one_reaches_nothing(tmp_path):
    """A server of its own with callers' pages allowed: its browser is shut in, and the server stays sound."""
    if find_program() is None:
        pytest.skip(f"callers' pages need a browser: {ADVICE}")
    try:
        open_browser("on", 60).draw("html", "<p>a", 40, 40)
    except Unavailable as refused:  # a container without namespaces
        pytest.skip(str(refused))
    repository = tmp_path / "models"
    shutil.copytree(ROOT / "model_repository" / "text_overlay", repository / "text_overlay")
    environment = {**os.environ, "VITRINE_CALLER_HTML": "on", "VITRINE_CALLER_HTML_S": "60"}
    heard = []
    with (
        socket.create_server(("127.0.0.1", 0)) as canary,
        EmbeddedTriton(repository, ports=ANY_PORTS, environment=environment) as server,
        Vitrine(server.grpc, timeout_s=120) as client,
    ):
        threading.Thread(target=lambda: heard.append(canary.accept()[0].close()), daemon=True).start()
        address = f"http://127.0.0.1:{canary.getsockname()[1]}"
        html = f'<link rel="preconnect" href="{address}"><p>세일<img src="{address}/a.png">'
        picture = np.full((200, 300, 3), 200, np.uint8)
        (told,) = client.text_overlay(picture, {"html": html, "page": [150, 80]}).texts
        assert (told["way"], told["text"]) == ("page", "세일")
        with pytest.raises(BadRequest, match="html must show something"):
            client.text_overlay(picture, {"html": "<script>document.write(1)</script>"})
        assert client.text_overlay(picture, "가").texts[0]["way"] == "pillow"
        assert heard == []
        socket.create_connection(canary.getsockname()).close()  # ends the thread


def test_a_server_says_what_fonts_and_picture_offer(vitrine, scene):
    """A family that it names can be used, and a text at its first place covers nothing."""
    picture, keep = scene
    found = vitrine.describe(picture, keep_clear=keep)
    family, place = found.kinds["sans"][0], found.picture["places"][0]
    assert family in vitrine.describe().families
    text = {"text": "신메뉴", "font": family, "box": place["box"], "contrast": "off", "colour": place["ink"]}
    (told,) = vitrine.text_overlay(picture, [text], keep_clear=keep).texts
    assert (told["overlap"], told["method"]) == (0, "given")
    with pytest.raises(BadRequest, match="keep_clear must be"):
        vitrine.describe(picture, keep_clear=keep[1:])
