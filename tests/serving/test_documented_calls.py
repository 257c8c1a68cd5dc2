"""The blocks of docs/calling.md run as written, with the addresses of the tests' server."""

import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "calling.md"


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def _size(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture
def run_here(triton, person, garment, tmp_path, monkeypatch):
    """Gives a block the server's addresses; its pictures are in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("me.png").write_bytes(person)
    for name in ("coat", "tee", "jeans"):
        Path(f"{name}.png").write_bytes(garment)
    return lambda block: block.replace("localhost:8001", triton.grpc).replace("localhost:8000", triton.http)


@pytest.mark.parametrize("number", range(len(_blocks("python"))))
def test_a_python_block_runs(run_here, number):
    """Each Python block runs alone, in the order of the page."""
    exec(compile(run_here(_blocks("python")[number]), f"{PAGE.name} block {number}", "exec"), {})
    for made in Path().glob("me-in-coat.png"):
        assert _size(made) == _size("me.png")


def test_curl_sends_a_text(run_here):
    """The first curl block gets a key and a report, and no large tensors."""
    text, *_ = _blocks("sh")
    answer = subprocess.run(["sh", "-c", run_here(text)], capture_output=True, text=True, check=True).stdout
    assert '"name":"text_key"' in answer


@pytest.mark.parametrize("number", [1, 2])
def test_curl_sends_pictures_and_gets_one(run_here, number):
    """The other curl blocks, in base64 and binary form, write a picture to a file."""
    block = run_here(_blocks("sh")[number])
    done = subprocess.run(["sh", "-c", block], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert _size("me-in-coat.png") == _size("me.png")
