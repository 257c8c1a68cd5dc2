"""`vitrine try-on` with several garments, odd files and interruptions."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine import FakeTransport, Vitrine, command
from vitrine.commands import try_on


class Server(FakeTransport):
    """Reads every picture, as the real server does; `interrupted_at` is the call that Ctrl-C ends."""

    interrupted_at = None

    def infer(self, model, inputs, **options):
        if self.interrupted_at == len(self.calls):
            raise KeyboardInterrupt
        readable = {name: tensor.copy() for name, tensor in inputs.items()}
        for name in ("person", "garment"):
            readable[name][:] = [Path("coat.png").read_bytes()]
        return super().infer(model, readable, **options)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server of every command line; the commands run in a folder with pictures."""
    monkeypatch.chdir(tmp_path)
    for name in ("me", "coat", "tee"):
        Image.fromarray(np.full((64, 48, 3), 90, np.uint8)).save(f"{name}.png")
    Path("me.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    server = Server()
    monkeypatch.setattr(try_on, "open_client", lambda args: Vitrine(transport=server))
    return server


def run(*words):
    """The exit code of one try-on."""
    try:
        return command.main(["try-on", *map(str, words)])
    except SystemExit as left:
        return left.code


def test_a_sheet_leaves_a_place_empty_for_a_picture_that_only_the_server_reads(server):
    """After all try-ons are done, a HEIC file does not spoil the sheet."""
    assert run("me.heic", "coat.png", "me.heic", "--sheet", "-o", "sheet.png") == 0
    assert Path("sheet.png").exists()


def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(server, capsys):
    """A row of garments too many for the format costs no try-on."""
    garments = ["coat.png"] * 180
    assert run("me.png", *garments, "--sheet", "-o", "sheet.webp") == 1
    assert "cannot be written as webp" in capsys.readouterr().err
    assert not server.calls


def test_every_file_is_read_once(server):
    """A person can come through a pipe, and be on the sheet too."""
    os.mkfifo("pipe")
    content = Path("me.png").read_bytes()
    writer = threading.Thread(target=Path("pipe").write_bytes, args=[content])
    writer.start()
    assert run("pipe", "coat.png", "tee.png", "--sheet", "-o", "sheet.png") == 0
    writer.join()


def test_several_garments_refuse_a_picture_s_name_as_their_folder(server, capsys):
    """The error comes before any request and names --sheet; nothing is written."""
    assert run("me.png", "coat.png", "tee.png", "-o", "all.jpg") == 2
    assert "--sheet writes one picture" in capsys.readouterr().err
    assert not server.calls
    assert not Path("all.jpg").exists()


def test_a_folder_that_is_named_like_a_picture_gets_png(server):
    """The files' ending and their format are the same."""
    Path("looks.jpg").mkdir()
    assert run("me.png", "coat.png", "tee.png", "-o", "looks.jpg") == 0
    with Image.open("looks.jpg/coat.png") as image:
        assert image.format == "PNG"


def test_what_was_finished_before_an_interruption_is_kept(server):
    """Each picture is written when it comes."""
    server.interrupted_at = 1
    assert run("me.png", "coat.png", "tee.png", "--at-once", 1, "-o", "looks") == command.INTERRUPTED
    assert os.listdir("looks") == ["coat.png"]


def test_a_garment_that_cannot_be_read_fails_alone(server, capsys):
    """The others are made, and its error names the file."""
    assert run("me.png", "coat.png", "no.png", "-o", "looks", "--json") == 1
    captured = capsys.readouterr()
    assert [one["file"] for one in json.loads(captured.out)["results"]] == ["looks/coat.png", None]
    assert "vitrine try-on: no.png: bad request: garment: cannot read no.png" in captured.err
