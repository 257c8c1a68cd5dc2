"""`vitrine-export score-shop` measures the networks of the shop, and can fail."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from vitrine import Vitrine
from vitrine.fake import FakeTransport
from vitrine_export.command import main
from vitrine_export.errors import BadCheckpoint
from vitrine_export.shop_nets import Checker
from vitrine_export.training.shop import save
from vitrine_export.training.shop.recipe import SEED
from vitrine_measure.score_shop import clip, figures, pictures, rows, sheet, styles, wire
from vitrine_measure.score_shop.figures import accuracy, alpha_error, overlap
from vitrine_measure.score_shop.rows import ROWS, Row

SAMPLES = 6


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A checkpoint of a checker with random weights and of a cut-out that answers with the brightness."""
    folder = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(0)
    save.save_checker(Checker(), folder)
    taken = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    given = helper.make_tensor_value_info("alpha", TensorProto.FLOAT, ["batch", 1, "height", "width"])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["input.1", "axes"], ["brightness"], keepdims=1),
        helper.make_node("Sigmoid", ["brightness"], ["alpha"]),
    ]
    graph = helper.make_graph(nodes, "brightness", [taken], [given], [axes])
    path = folder / save.CUT_OUT_FILE
    path.parent.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return folder


def test_untrained_networks_miss_their_gates(untrained, capsys):
    """The exit code is 1, and the lines name row, figure, gate and value."""
    assert main(["score-shop", "--json", "--checkpoint", str(untrained), "--count", str(SAMPLES)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert set(told["checker on true pictures"]) == {"kind", "colour", "trade", "light", "style"}
    assert any("checker on true pictures: kind must be at least 0.98" in line for line in told["missed"])
    assert any("cut-out: alpha_error must be at most 0.015" in line for line in told["missed"])


def test_a_perfect_reader_keeps_its_gates(untrained, monkeypatch, capsys):
    """With every attribute read right and every alpha as drawn, the exit code is 0."""
    samples = [rows.shop.sample(1, index) for index in range(SAMPLES)]
    styles = iter(style for style in rows.shop.STYLES for _ in samples)
    facts = iter(3 * [vars(made.facts) for made in samples])

    def read(self, pictures):
        return [{**next(facts), "style": next(styles)} for _ in pictures]

    monkeypatch.setattr(Checker, "read", read)
    monkeypatch.setattr(figures, "alpha_error", lambda found, truth: alpha_error(truth, truth))
    monkeypatch.setattr(figures, "overlap", lambda found, truth: overlap(truth, truth))
    assert main(["score-shop", "--checkpoint", str(untrained), "--count", str(SAMPLES)]) == 0
    assert "every figure keeps its gate" in capsys.readouterr().out


def test_the_trainings_own_seed_is_refused(capsys):
    """Its samples would not be unseen."""
    assert main(["score-shop", "--seed", str(SEED)]) == 1
    assert "seed must not be the training's" in capsys.readouterr().err


def test_a_count_below_one_is_refused(capsys):
    """The message names the rule and the value."""
    assert main(["score-shop", "--count", "0"]) == 1
    assert "count must be at least 1, got 0" in capsys.readouterr().err


def test_a_folder_without_networks_is_refused(tmp_path, capsys):
    """The message names the file and the command that makes it."""
    assert main(["score-shop", "--checkpoint", str(tmp_path), "--count", "1"]) == 1
    assert "vitrine-export train --stages shop_checkers" in capsys.readouterr().err
    with pytest.raises(BadCheckpoint, match="vitrine-export train --stages shop_cut_out"):
        rows.cut_out(tmp_path, [])


def test_the_figures_are_what_they_say():
    """Small cases by hand."""
    truth = [{"kind": "can", "light": "left"}, {"kind": "mug", "light": "left"}]
    read = [{"kind": "can", "light": "left", "style": "line"}, {"kind": "can", "light": "left"}]
    assert accuracy(read, truth) == {"kind": 0.5, "light": 1.0}
    one, other = np.array([[0.0, 1.0], [1.0, 0.4]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert alpha_error(one, other) == pytest.approx(0.4)
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert overlap(np.zeros((2, 2)), np.zeros((2, 2))) == 1.0


def test_a_row_names_what_missed():
    """Accuracies have a least value, errors a greatest one."""
    row = Row("row", lambda folder, samples: {}, {"kind": 0.9}, {"error": 0.1})
    assert row.missed({"kind": 0.9, "error": 0.1}) == []
    assert row.missed({"kind": 0.8, "error": 0.2}) == [
        "row: kind must be at least 0.9, got 0.8000",
        "row: error must be at most 0.1, got 0.2000",
    ]
    names = {"checker on true pictures", "cut-out", "vae", "generator", "styles"}
    assert {row.name for row in ROWS} == names | {"clip on drawn pictures", "clip on generated pictures"}


def test_parts_that_a_checkpoint_lacks_are_not_scored(tmp_path):
    """A folder of the judges alone has no score of a generator."""
    (tmp_path / "vae").mkdir()
    asked = {row.name for row in ROWS if row.asked(tmp_path)}
    assert asked == {"checker on true pictures", "cut-out", "vae"}
    (tmp_path / "clip").mkdir()
    assert {row.name for row in ROWS if row.asked(tmp_path)} - asked == {"clip on drawn pictures"}


def test_clip_is_scored_on_choices_with_the_truth_anywhere(monkeypatch):
    """A judge that knows the picture is always right; one that likes all prompts equally seldom is."""
    samples = [rows.shop.sample(1, index) for index in range(24)]
    shown = {rows.shop.draw(made).picture.tobytes(): made.facts for made in samples}
    eight, place = clip.choices(samples[0], 0)
    assert eight[place] == samples[0].facts
    assert len(set(eight)) == 8
    assert {clip.choices(samples[0], number)[1] for number in range(50)} == set(range(8))

    class Knowing:
        def __init__(self, checkpoint):
            pass

        def picture(self, pixels):
            self.facts = shown[pixels.tobytes()]
            return self.facts

        def texts(self, prompts):
            return Likes(prompts)

    class Likes(list):
        def __matmul__(self, facts):
            truth = {rows.shop.prompt(facts, language) for language in rows.shop.LANGUAGES}
            return torch.tensor([float(text in truth) for text in self])

    monkeypatch.setattr(clip, "Judge", Knowing)
    assert clip.on_drawn(None, samples) == {"english": 1.0, "korean": 1.0}
    monkeypatch.setattr(Likes, "__matmul__", lambda self, facts: torch.zeros(len(self)))
    assert clip.on_drawn(None, samples)["english"] < 0.5


def test_a_style_is_scored_with_its_lora_and_without(monkeypatch):
    """The prompts have the style's words in both cases; what the checker reads is counted."""
    asked = []

    def drawn(checkpoint, prompts, lora=None):
        asked.append((prompts, lora))
        return torch.zeros(len(prompts), 3, 8, 8) + (1.0 if lora else 0.0)

    class Reader:
        def read(self, pixels):
            return [{"style": "line" if one.max() else "plain"} for one in pixels]

    monkeypatch.setattr(pictures, "drawn", drawn)
    monkeypatch.setattr(save, "open_checker", lambda folder: Reader())
    found = styles.recognised(None, [rows.shop.sample(1, index) for index in range(3)])
    assert found == {"line": 1.0, "line_without": 0.0, "night": 0.0, "night_without": 0.0}
    assert [lora for _, lora in asked] == ["line", None, "night", None]
    assert asked[0][0] == asked[1][0]
    assert all(prompt.startswith("at night: ") for prompt in asked[2][0])


def test_a_server_is_scored_by_what_it_answers(untrained, monkeypatch, capsys):
    """Each prompt is sent once, with its number as seed; pictures and alphas are judged as local ones."""
    fake = FakeTransport()
    monkeypatch.setattr(wire, "Vitrine", lambda url: Vitrine(transport=fake))
    monkeypatch.setattr(rows, "ROWS", ())
    monkeypatch.setattr(wire, "least", lambda name: {})
    monkeypatch.setattr(wire, "most", lambda name: {})
    given = ["--checkpoint", str(untrained), "--count", str(SAMPLES), "--url", "fake:1", "--json"]
    assert main(["score-shop", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    sent = [call.inputs for call in fake.calls if call.model == "text_to_image"]
    assert sorted(int(one["seed"].item()) for one in sent) == list(range(SAMPLES))
    asked = {one["prompt"].item().decode() for one in sent}
    assert asked == {rows.shop.prompt(rows.shop.sample(1, index).facts) for index in range(SAMPLES)}
    assert set(told["generator over the wire"]) == set(rows.ASKED)
    with Vitrine(transport=FakeTransport()) as client:
        drawn = [rows.shop.draw(rows.shop.sample(1, index)) for index in range(SAMPLES)]
        found = [np.asarray(client.cut_out(Image.fromarray(one.picture)).alpha) / 255.0 for one in drawn]
    assert told["cut-out over the wire"] == figures.alpha_figures(found, [one.alpha / 255.0 for one in drawn])


def test_the_sheet_shows_pictures_above_the_truth(tmp_path, monkeypatch):
    """The true pictures have the generator's layout, so that both can be compared at a glance."""
    count = sheet.COLUMNS * sheet.ROWS
    monkeypatch.setattr(sheet, "drawn", lambda checkpoint, prompts: torch.zeros(len(prompts), 3, 128, 128))
    sheet.write_sheet(tmp_path, 5, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as made:
        grey = np.all(np.asarray(made.convert("RGB")) == 128, axis=2).mean()
        assert grey * made.width * made.height == pytest.approx(count * sheet.SIDE**2, rel=0.02)
