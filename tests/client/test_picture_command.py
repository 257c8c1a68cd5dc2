"""`vitrine picture` over the shipped fake: the files and words that it writes, and its exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from vitrine import Busy, FakeTransport, Vitrine, command
from vitrine.commands import picture


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The fake that every command line calls, and a folder in which they run."""
    fake = FakeTransport()
    monkeypatch.setattr(picture, "open_client", lambda args: Vitrine(transport=fake))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48), "white").save("photo.png")
    return fake


def run(*words):
    """The exit code of one command line."""
    try:
        return command.main(["picture", *map(str, words)])
    except SystemExit as left:
        return left.code


def opened(path):
    """A picture, loaded completely."""
    with Image.open(path) as image:
        image.load()
    return image


def test_a_sentence_becomes_a_picture(fake, capsys):
    """The options are sent under the client's names, the picture is written, its path printed."""
    words = ["a red kettle", "-o", "out/kettle.jpg", "--ratio", "4:5", "--seed", 7, "--steps", 4]
    assert run(*words, "--guidance", 2, "--without", "people", "--lora", "night", "--lora", "line=0.5") == 0
    assert capsys.readouterr().out == "out/kettle.jpg\n"
    assert opened("out/kettle.jpg").format == "JPEG"
    (call,) = fake.calls
    sent = {name: array.tolist() for name, array in call.inputs.items()}
    assert call.model == "picture_stream"
    assert sent["prompt"] == [b"a red kettle"]
    assert (sent["aspect_ratio"], sent["seed"]) == ([b"4:5"], [7])
    assert (sent["steps"], sent["guidance"]) == ([4], [2.0])
    assert sent["negative_prompt"] == [b"people"]
    assert (sent["lora"], sent["lora_weight"]) == ([b"night", b"line"], [1.0, 0.5])


def test_several_pictures_are_named_by_their_seeds(fake, capsys):
    """Each file holds the picture of its seed."""
    assert run("a kettle", "-o", "kettle.png", "--count", 2, "--seed", 7, "--size", "32x16") == 0
    assert capsys.readouterr().out.split() == ["kettle-7.png", "kettle-8.png"]
    colours = [np.asarray(opened(f"kettle-{seed}.png"))[0, 0].tolist() for seed in (7, 8)]
    assert colours == [[7, 0, 0], [8, 0, 0]]


def test_a_photo_is_changed(fake):
    """The photo and the strength are sent."""
    assert run("at night", "--from", "photo.png", "--strength", 0.3, "-o", "night.png") == 0
    (call,) = fake.calls
    assert call.inputs["image"][0].startswith(b"\x89PNG")
    assert call.inputs["strength"] == np.float32(0.3)


@pytest.mark.parametrize(
    ("more", "model"), [((), "text_to_image"), (("--from", "photo.png"), "image_to_image")]
)
def test_without_grpc_there_is_no_stream(fake, more, model):
    """Triton streams over gRPC only, so an http address gets the plain call."""
    assert run("a kettle", "-o", "kettle.png", "--url", "http://localhost:8000", *more) == 0
    assert [call.model for call in fake.calls] == [model]


def test_json_tells_seeds_and_files(fake, capsys):
    """One object, and nothing else on the output."""
    assert run("a kettle", "-o", "kettle.png", "--seed", 9, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pictures"] == [{"file": "kettle.png", "seed": 9}]
    assert told["report"]["steps"] == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "kettle.gif"), "OUT must end in .png"),
        (("-o", "k.png", "--strength", "0.5"), "--strength 0.5 needs --from PHOTO"),
        (("-o", "k.png", "--ratio", "1:1", "--size", "64x64"), "exclude each other"),
        (("-o", "k.png", "--size", "64"), "a size must be WIDTHxHEIGHT, got '64'"),
        (("-o", "k.png", "--lora", "night=much"), "a weight must be a number, got 'night=much'"),
        ((), "-o/--out"),
    ],
)
def test_wrong_words_are_refused_before_any_request(fake, capsys, words, said):
    """Exit code 2, and what is wrong."""
    assert run("a kettle", *words) == 2
    assert said in capsys.readouterr().err
    assert not fake.calls


def test_a_failure_is_one_line(fake, capsys):
    """Exit code 1; nothing is written."""
    fake.failures = [Busy("the queue is full")] * 9
    assert run("a kettle", "-o", "kettle.png", "--timeout", 0.01) == 1
    assert "vitrine picture: busy: the queue is full" in capsys.readouterr().err


def test_the_help_shows_examples(capsys):
    """It teaches by whole command lines."""
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert 'vitrine picture "a red kettle on a wooden table, morning light" -o kettle.png' in shown
    assert "--strength 0.3" in shown
