"""The `vitrine` command over the shipped fake: the files and words that it writes, and its exit codes."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from vitrine import BadRequest, Busy, FakeTransport, ModelStatus, Vitrine, command
from vitrine.commands import connection, cut_out, describe, models, prompt, text, try_on, workflow
from vitrine.commands.following import has_streams
from vitrine.commands.pictures_out import unique_stems
from vitrine.statuses import NOT_LOADED


@pytest.fixture
def fake(monkeypatch):
    """The fake that every command line calls."""
    fake = FakeTransport()
    for module in (cut_out, describe, models, prompt, text, try_on, workflow):
        monkeypatch.setattr(module, "open_client", lambda args: Vitrine(transport=fake))
    return fake


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a person and two garments, and the place where commands run."""
    monkeypatch.chdir(tmp_path)
    for name, grey in (("me", 200), ("coat", 30), ("tee", 90)):
        Image.fromarray(np.full((64, 48, 3), grey, np.uint8)).save(f"{name}.png")
    return tmp_path


def opened(path):
    """A picture, loaded completely."""
    with Image.open(path) as image:
        image.load()
    return image


def run(*words):
    """The exit code of one command line."""
    try:
        return command.main([str(word) for word in words])
    except SystemExit as left:
        return left.code


def test_a_product_is_cut_out(fake, folder, capsys):
    """The command writes the RGBA picture and the mask, prints OUT and sends the box."""
    code = run("cut-out", "me.png", "-o", "out/cup.webp", "--alpha", "mask.png", "--box", 0, 0, 40, 48)
    assert (code, capsys.readouterr().out) == (0, "out/cup.webp\n")
    assert (opened("out/cup.webp").mode, opened("mask.png").mode) == ("RGBA", "L")
    assert fake.calls[0].inputs["box"].tolist() == [0, 0, 40, 48]


def test_fonts_and_free_places_are_told(fake, folder, capsys):
    """The fonts alone, a picture in words, and everything as JSON; the mask is sent."""
    assert run("describe") == 0
    assert capsys.readouterr().out == "sans: Fake Sans\nFake Sans\n"
    assert run("describe", "me.png", "--keep-clear", "coat.png") == 0
    told = capsys.readouterr().out
    assert "48 x 64" in told
    assert "banner    top, box 0.10 0.05 0.90 0.21, #ffffff with contrast 8.0" in told
    assert fake.calls[-1].inputs["keep_clear"].shape == (64, 48)
    assert run("describe", "me.png", "--json") == 0
    assert json.loads(capsys.readouterr().out)["picture"]["size"] == [48, 64]


@pytest.mark.parametrize(
    ("url", "protocol", "streams"),
    [
        ("http://h:8000", None, False),
        ("HTTPS://h:8000", None, False),
        ("h:8000", "http", False),
        ("httpd.lan:8001", None, True),
        ("GRPC://h:8001", "grpc", True),
    ],
)
def test_streams_are_of_grpc(url, protocol, streams):
    """The protocol is read from the address as the client reads it."""
    assert has_streams(argparse.Namespace(url=url, protocol=protocol)) is streams


def test_a_sentence_becomes_a_prompt(fake, capsys):
    """The command prints the prompt alone, or with --json everything."""
    assert run("prompt", "빨간 머그잔", "--trade", "카페") == 0
    assert capsys.readouterr().out == "빨간 머그잔\n"
    assert fake.calls[0].inputs["trade"][0].decode() == "카페"
    assert run("prompt", "캔", "--json") == 0
    assert json.loads(capsys.readouterr().out)["way"] == "tables"


def test_a_workflow_s_files_are_written(fake, folder, capsys):
    """Each file gets its name in the folder; the graph and the pictures are sent."""
    (folder / "ad.json").write_text('{"1": {"class_type": "load_image", "inputs": {"image": "mug"}}}')
    assert run("workflow", "ad.json", "--picture", "mug=me.png", "-o", "ads") == 0
    assert capsys.readouterr().out == "ads/mug.png\n"
    assert opened("ads/mug.png").size == (48, 64)
    assert run("workflow", "ad.json", "--picture", "mug", "-o", "ads") == 2
    assert run("workflow", "no.json", "-o", "ads") == 1


def test_a_workflow_s_file_stays_in_the_folder(fake, folder, capsys):
    """A name that leads out of it is refused, whatever the server says."""
    (folder / "ad.json").write_text('{"1": {"class_type": "load_image", "inputs": {"image": "x"}}}')
    assert run("workflow", "ad.json", "--picture", "../mug=me.png", "-o", "ads") == 1
    assert "must have a plain name" in capsys.readouterr().err
    assert not (folder / "mug.png").exists()


def test_a_file_that_cannot_be_written_takes_no_other_with_it(fake, folder, capsys):
    """All others are written and listed first; then the error and exit code 1."""
    (folder / "ads" / "a.png").mkdir(parents=True)
    nodes = {one: {"class_type": "load_image", "inputs": {"image": one}} for one in ("a", "b")}
    (folder / "ad.json").write_text(json.dumps(nodes))
    assert run("workflow", "ad.json", "--picture", "a=me.png", "--picture", "b=me.png", "-o", "ads") == 1
    said = capsys.readouterr()
    assert said.out == "ads/b.png\n"
    assert said.err.startswith("vitrine workflow: ")
    assert "cannot write ads/a.png" in said.err
    assert opened("ads/b.png").size == (48, 64)


def test_texts_are_set_on_a_picture(fake, folder, capsys):
    """Options are given once for all texts or once for each; a text may be JSON."""
    words = ["text", "me.png", "신메뉴", '{"text": "4,500원", "rotation": 10}', "-o", "ad.jpg"]
    words += ["--anchor", "top", "--anchor", "auto", "--colour", "red", "--keep-clear", "coat.png", "--json"]
    assert run(*words) == 0
    assert opened("ad.jpg").format == "JPEG"
    sent = fake.calls[0].inputs
    assert json.loads(sent["texts"][0]) == [
        {"text": "신메뉴", "anchor": "top", "colour": "red"},
        {"text": "4,500원", "rotation": 10, "anchor": "auto", "colour": "red"},
    ]
    assert (sent["keep_clear"].shape, int(sent["keep_clear"].max())) == ((64, 48), 30)
    assert json.loads(capsys.readouterr().out)["texts"][0]["text"] == "신메뉴"
    assert (
        run("text", "me.png", "세일", "-o", "a.png", "--template", "card", "--subline", "끝", "--ask-model")
        == 0
    )
    (folder / "page.html").write_text("<p>세일")
    assert run("text", "me.png", "--html", "page.html", "--page", "90x40", "-o", "a.png") == 0
    assert [json.loads(call.inputs["texts"][0]) for call in fake.calls[1:]] == [
        [{"text": "세일", "template": "card", "subline": "끝", "candidates": "model"}],
        [{"html": "<p>세일", "page": [90, 40]}],
    ]
    assert run("text", "me.png", "-o", "a.png") == 2
    assert run("text", "me.png", "--html", "me.png", "-o", "a.png") == 2
    assert run("text", "me.png", "a", "-o", "a.png", "--page", "wide") == 2
    assert run("text", "me.png", "a", "b", "c", "-o", "a.png", "--size", 20, "--size", 30) == 2
    assert run("text", "me.png", "{oops", "-o", "a.png") == 2
    assert run("text", "me.png", "a", "-o", "a.gif") == 2


def test_one_garment_gives_one_picture(fake, folder, capsys):
    """The command writes the picture to OUT, prints its path and sends its options."""
    code = run(
        "try-on", "me.png", "coat.png", "-o", "out/look.png", "--seed", 7, "--steps", 4, "--no-paste-back"
    )
    assert code == 0
    assert capsys.readouterr().out == "out/look.png\n"
    assert opened("out/look.png").size == (48, 64)
    inputs = fake.calls[0].inputs
    assert (inputs["seed"][0], inputs["steps"][0], inputs["paste_back"][0]) == (7, 4, False)
    assert [path.name for path in (folder / "out").iterdir()] == ["look.png"]


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.webp", "WEBP"), ("a.PNG", "PNG")])
def test_the_ending_chooses_the_format(fake, folder, name, kind):
    """The server encodes the format that OUT's ending names."""
    assert run("try-on", "me.png", "coat.png", "-o", name) == 0
    assert opened(name).format == kind


def test_several_garments_fill_a_folder(fake, folder, capsys):
    """The folder gets one picture for each garment, named after the garment."""
    assert run("try-on", "me.png", "coat.png", "tee.png", "-o", "looks") == 0
    assert capsys.readouterr().out.split() == ["looks/coat.png", "looks/tee.png"]
    assert np.asarray(opened("looks/coat.png"))[32, 24, 0] < np.asarray(opened("looks/tee.png"))[32, 24, 0]


def test_several_garments_share_a_sheet(fake, folder, capsys):
    """With --sheet the command writes one file: garments in the first row, the person in each below."""
    assert run("try-on", "me.png", "coat.png", "tee.png", "--sheet", "-o", "sheet.jpg") == 0
    assert capsys.readouterr().out == "sheet.jpg\n"
    width, height = opened("sheet.jpg").size
    assert width > 3 * 192
    assert height > 2 * 256


def test_an_outfit_is_one_picture(fake, folder):
    """With --outfit all garments go into one request, each with its category."""
    words = ["--category", "upper_body", "--category", "lower_body"]
    assert run("try-on", "me.png", "tee.png", "coat.png", "--outfit", *words, "-o", "look.png") == 0
    assert len(fake.calls) == 1
    assert list(fake.calls[0].inputs["category"]) == [b"upper_body", b"lower_body"]


@pytest.mark.parametrize("garments", [["coat.png"], ["coat.png", "tee.png"]])
def test_streaming_makes_the_same_files(fake, folder, garments):
    """--stream shows steps and writes what the plain call writes."""
    assert run("try-on", "me.png", *garments, "--stream", "--seed", 3, "-o", "look.png", "--sheet") == 0
    assert {call.model for call in fake.calls} == {"try_on_stream"}
    assert (folder / "look.png").exists()


def test_json_tells_scripts_what_happened(fake, folder, capsys):
    """With --json stdout holds files, seeds, timings and errors, and nothing else."""
    (folder / "junk.png").write_bytes(b"junk")
    assert run("try-on", "me.png", "coat.png", "junk.png", "-o", "looks", "--json") == 1
    captured = capsys.readouterr()
    first, second = json.loads(captured.out)["results"]
    assert (first["file"], first["seed"], first["error"]) == ("looks/coat.png", 0, None)
    assert second["file"] is None
    assert second["error"].startswith("bad request: garment is 4 bytes of another kind")
    assert captured.err.count("\n") == 1


def test_a_mask_and_a_person_are_chosen(fake, folder):
    """One mask applies to all garments, and a pixel chooses the person."""
    more = ["--mask", "me.png", "--person-point", "20", "30"]
    assert run("try-on", "me.png", "coat.png", "coat.png", "-o", "looks", *more) == 0
    for call in fake.calls:
        assert call.inputs["mask"].shape == (1,)
        assert call.inputs["person_point"].tolist() == [20, 30]


def test_a_garment_without_a_category_gets_a_note_on_the_default(fake, folder, capsys):
    """The picture is made, and stderr names the option that was not given; other callers see no note."""
    assert run("try-on", "me.png", "coat.png", "-o", "look.png") == 0
    captured = capsys.readouterr()
    assert captured.out == "look.png\n"
    assert captured.err.startswith("worn as upper_body: ")
    assert "--category" in captured.err
    for more in (["--category", "dresses"], ["--json"]):
        assert run("try-on", "me.png", "coat.png", "-o", "look.png", *more) == 0
        assert capsys.readouterr().err == ""


def test_an_error_is_one_line(fake, folder, capsys):
    """An error prints class and message on stderr, and ends with exit code 1 and no traceback or file."""
    fake.failures = [BadRequest("no person found:\nuse a picture of the whole body")]
    assert run("try-on", "me.png", "coat.png", "-o", "look.png") == 1
    said = "vitrine try-on: coat.png: bad request: no person found: use a picture of the whole body\n"
    assert capsys.readouterr().err == said
    assert not (folder / "look.png").exists()


def test_a_place_that_cannot_be_written_is_an_error(fake, folder, capsys):
    """The message names the file and the reason."""
    assert run("try-on", "me.png", "coat.png", "-o", "me.png/look.png") == 1
    assert "vitrine try-on: internal: cannot write me.png/look.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["try-on", "me.png", "coat.png"], "required: -o"),
        (["try-on", "me.png", "-o", "a.png"], "required: GARMENT"),
        (["cut-out", "me.png", "-o", "a.jpg"], "OUT must end in .png, .webp"),
        (["try-on", "me.png", "coat.png", "-o", "a.gif"], "OUT must end in .png"),
        (["try-on", "me.png", "coat.png", "tee.png", "-o", "me.png"], "OUT must be a folder for 2 garments"),
        (["try-on", "me.png", "coat.png", "-o", "a.png", "--category", "hat"], "invalid choice: 'hat'"),
        (["try-on", "a", "b", "c", "-o", "a.png", "--outfit", "--sheet"], "exclude each other"),
        (
            ["try-on", "a", "b", "c", "-o", "a.png", "--outfit", "--category", "dresses"],
            "each of 2 garments, got 1",
        ),
        (["models", "--timeout", "0"], "must be more than 0 s"),
        (["models", "--header", "nonsense"], "a header must be NAME: VALUE"),
        (["describe", "--keep-clear", "me.png"], "--keep-clear goes with PICTURE"),
        (["no-such-command"], "invalid choice"),
    ],
)
def test_wrong_usage_is_reported_before_any_request(fake, folder, capsys, words, says):
    """Wrong usage ends with exit code 2 and names the rule, before any request."""
    assert run(*words) == 2
    assert says in capsys.readouterr().err
    assert fake.calls == []


def test_no_command_shows_the_help(capsys):
    """Without a subcommand the help with its examples is shown, with exit code 2."""
    assert run() == 2
    assert "vitrine try-on me.jpg coat.jpg -o me-in-coat.png" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(command.OWN))
def test_every_command_explains_itself(name, capsys):
    """The help of every subcommand has examples."""
    assert run(name, "--help") == 0
    assert "examples:" in capsys.readouterr().out


def test_models_is_a_table_or_json(fake, capsys):
    """`vitrine models` prints a table, or a JSON list with --json."""
    assert run("models") == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert ["prepare_garment", "1", "READY"] in rows
    assert run("models", "--json") == 0
    assert {model["name"]: model["ready"] for model in json.loads(capsys.readouterr().out)}["try_on"] is True


def test_models_fails_when_one_is_not_ready(fake, capsys):
    """The exit code is 1, and the table gives the reason."""
    fake.models = lambda **_: (ModelStatus("pose", "", "UNAVAILABLE", "no such file", 4, 1, 2, 6, 3.0, 1.0),)
    assert run("models") == 1
    line = capsys.readouterr().out.splitlines()[1]
    assert " ".join(line.split()) == "pose - UNAVAILABLE (no such file) 4 1 3.00 3.0 1.0"


def test_models_that_nobody_loaded_are_no_failure(fake, capsys):
    """A repository may hold models of families that this server does not serve."""
    fake.models = lambda **_: (ModelStatus("pose", "", NOT_LOADED, ""),)
    assert run("models") == 0
    assert "NOT LOADED" in capsys.readouterr().out


def test_a_busy_server_is_an_error(fake, monkeypatch, capsys):
    """Other subcommands report errors as try-on does."""
    fake.failures = [Busy("later")] * 9
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert run("models") == 1
    assert capsys.readouterr().err == "vitrine models: busy: later\n"


def test_ctrl_c_is_no_traceback(fake, folder, capsys, monkeypatch):
    """Ctrl-C ends the command with exit code 130, as in shells."""

    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "run", interrupt)
    assert run("models") == 130
    assert capsys.readouterr().err == "vitrine models: interrupted\n"


def test_other_packages_add_commands(monkeypatch, tmp_path, capsys):
    """An entry point's name becomes a subcommand; one whose packages are missing does not hurt the others."""
    (tmp_path / "added.py").write_text(
        "HELP = 'say hello'\ndef add_arguments(parser): ...\ndef run(args): print('hello'); return 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(command, "find_commands", lambda: command.OWN | {"hello": "added", "lost": "no_such"})
    assert run("hello") == 0
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert "say hello" in out
    assert "not installed" in out
    assert run("lost", "--port", "1") == 1
    assert "pip install 'vitrine[server]'" in capsys.readouterr().err


def test_connection_arguments_reach_the_client(monkeypatch):
    """Address, headers, timeout and, where a command has one, release are the client's own arguments."""
    seen = {}
    monkeypatch.setattr(connection, "Vitrine", lambda url, **options: seen.update(options, url=url))
    parser = argparse.ArgumentParser()
    connection.add_connection(parser)
    connection.open_client(
        parser.parse_args(["--url", "http://h:1", "--header", "Key: a:b", "--timeout", "5"])
    )
    said = {"url": "http://h:1", "protocol": None, "headers": {"key": "a:b"}, "timeout_s": 5.0}
    assert seen == said | {"release": None}
    connection.open_client(argparse.Namespace(url="h:1", protocol=None, header=[], timeout_s=1.0, release=2))
    assert seen["release"] == 2


def test_names_in_a_folder_do_not_collide(tmp_path):
    """Files of the same name in two folders, such as a/coat.png and b/coat.png, are two garments."""
    paths = [tmp_path / name for name in ("a/coat.png", "b/coat.png", "coat-2.png", "tee.png")]
    assert unique_stems(paths) == ["coat", "coat-2", "coat-2-2", "tee"]


def test_importing_vitrine_loads_nothing_heavy():
    """The import loads neither torch, nor SciPy, nor the packages of the wire: `--help` answers at once."""
    heavy = ("torch", "diffusers", "transformers", "onnxruntime", "tritonclient", "boto3", "grpc", "scipy")
    code = f"import sys, vitrine, vitrine.command; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
