"""The command `vitrine-export engine-speed` on the CPU, with nets of a tiny size."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from vitrine_export.command import main
from vitrine_measure import flops
from vitrine_measure.engine import command, subject, variants
from vitrine_measure.engine.counted import device_bytes
from vitrine_measure.engine.cuda_graphs import CudaGraphs
from vitrine_measure.engine.report import Row, _difference
from vitrine_measure.engine.variants import FORMS, LADDER, WAYS, Form, Variant

SMALL = ("--device", "cpu", "--size", "64x64", "--steps", "2", "--runs", "1")


@pytest.fixture(scope="module", autouse=True)
def counted_once():
    """The work of a picture is counted once for all tests with the same nets, size and steps."""
    count, known = flops.count_parts, {}

    def recalled(*asked):
        if repr(asked) not in known:
            known[repr(asked)] = count(*asked)
        return known[repr(asked)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flops, "count_parts", recalled)
        yield


@pytest.fixture
def measure(tiny_checkpoint, tmp_path, capsys):
    """Run the command on the tiny checkpoint; returns its exit code, the JSON's content and its output."""

    def run(*options, checkpoint=True):
        out = tmp_path / "speed.json"
        nets = ("--checkpoint", str(tiny_checkpoint)) if checkpoint else ()
        code = main(["engine-speed", *SMALL, "--out", str(out), *nets, *options])
        return code, json.loads(out.read_text()), capsys.readouterr().out

    return run


def exit_code(words):
    """Run the command for an error that argparse raises as an exception."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


def by_name(told):
    """The JSON's rows by variant."""
    return {row["variant"]: row for row in told["rows"]}


def spoil(monkeypatch, name, step):
    """Make a form pass each prediction through `step`."""
    form = FORMS[name]

    def make(given):
        run = form.make(given)
        true = run.step
        run.step = lambda *inputs: step(true(*inputs))
        return run

    monkeypatch.setitem(FORMS, name, replace(form, make=make))


def failing(monkeypatch, name, error):
    """Make a form fail when it is built."""

    def make(given):
        raise error

    monkeypatch.setitem(FORMS, name, Form(FORMS[name].line, make))


def test_every_saving_gives_the_plain_picture(measure):
    """Each form and job count has a row with work and time; latents are within 1e-5 of plain's."""
    code, told, _ = measure("--dtype", "fp32", "--concurrent", "1", "2", "--variants", *FORMS)
    assert code == 0
    assert [(row["at_once"], row["variant"]) for row in told["rows"]] == [
        (n, f) for n in (1, 2) for f in FORMS
    ]
    for row in told["rows"]:
        assert row["difference"] < 1e-5
        assert row["picture_s"] == pytest.approx(np.median(row["seconds"]) / row["at_once"])
        assert row["share"] > 0
        assert (row["peak_bytes"], row["ended"]) == (None, "")
    work = [row["tflop"] for row in told["rows"][: len(FORMS)]]
    assert work == sorted(work, reverse=True)


def test_the_json_says_where_and_how(measure):
    """The JSON has machine, versions, options and the chip's rate."""
    _, told, said = measure("--dtype", "fp32", "--concurrent", "1", "--variants", "exact")
    assert told["options"] == {"size": [64, 64], "steps": 2, "guidance": 2.0, "random": False}
    assert told["matmul_flop_per_s"]["fp32"] > 1e6
    assert told["versions"]["torch"] == torch.__version__
    assert told["machine"]["cores"] >= 1
    assert "matrix products: " in said
    assert [line.split()[2] for line in said.splitlines() if line.startswith("fp32")] == ["plain", "exact"]


def test_random_weights_stay_finite_in_half_precision(measure, monkeypatch, unet_configs):
    """Results are finite in both dtypes, and the savings are near plain there too."""
    monkeypatch.setattr(subject, "RELEASED", unet_configs)
    options = ("--dtype", "bf16", "fp16", "--concurrent", "1", "--variants", "exact")
    code, told, _ = measure(*options, checkpoint=False)
    assert code == 0
    assert told["options"]["random"]
    assert [row["dtype"] for row in told["rows"]] == ["bf16", "bf16", "fp16", "fp16"]
    assert all(row["difference"] < 0.05 for row in told["rows"])


def test_another_picture_is_detected(measure, monkeypatch):
    """A variant that computes another picture is reported."""
    spoil(monkeypatch, "exact", lambda prediction: prediction * 1.01)
    _, told, _ = measure("--dtype", "fp32", "--concurrent", "1", "--variants", "exact")
    assert by_name(told)["exact"]["difference"] > 1e-3


def test_a_variant_that_runs_out_of_memory_fails_alone(measure, monkeypatch):
    """The row reports it, the other rows are measured, and the command succeeds."""
    failing(monkeypatch, "closed_form", torch.OutOfMemoryError("CUDA out of memory"))
    code, told, said = measure("--dtype", "fp32", "--concurrent", "1", "--variants", "closed_form", "exact")
    rows = by_name(told)
    assert code == 0
    assert rows["closed_form"]["ended"] == "out of memory"
    assert rows["closed_form"]["picture_s"] is None
    assert rows["exact"]["difference"] < 1e-5
    assert "out of memory" in said


@pytest.mark.parametrize("way", ["raises", "not finite"])
def test_a_variant_that_fails_is_reported(measure, monkeypatch, way):
    """The row has the reason, and the exit code is 1."""
    if way == "raises":
        failing(monkeypatch, "exact", RuntimeError("no compiler\nfound"))
    else:
        spoil(monkeypatch, "exact", lambda prediction: prediction * np.float32(np.nan))
    code, told, _ = measure("--dtype", "fp32", "--concurrent", "1", "--variants", "exact")
    assert code == 1
    assert by_name(told)["exact"]["ended"] in ("no compiler found", "latents not finite")


def test_where_plain_has_no_memory_its_last_jobs_are_compared(measure):
    """Job 0 can be compared, since it does not depend on the jobs run with it."""
    latents = np.arange(1, 9, dtype=np.float32).reshape(2, 1, 2, 2)
    assert _difference(latents, latents[:1]) == 0
    assert _difference(latents + 0.4, latents[:1]) == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "wrapped"), [("plain", 1), ("closed_form", 3), ("exact", 2), ("cached", 1)])
def test_graphs_of_every_step_are_accelerated(measure, monkeypatch, name, wrapped):
    """Only what runs in every step is compiled, not work done once a job or cached garments."""
    made = []
    monkeypatch.setitem(WAYS, "compile", lambda graph: made.append(graph) or graph)
    code, told, _ = measure("--dtype", "fp32", "--concurrent", "1", "--variants", f"{name}+compile")
    assert code == 0
    assert len(made) == wrapped
    assert by_name(told)[f"{name}+compile"]["difference"] < 1e-5


def test_captured_graphs_are_kept_for_each_batch_size():
    """Each shape is captured once; later calls copy their inputs into its memory and replay."""
    captures = []

    def capture(call):
        outputs = call()
        captures.append(outputs)
        return lambda: outputs.copy_(call()), outputs

    graph = CudaGraphs(lambda a, b: a + 2 * b, capture)
    for rows in (1, 2, 1, 2):
        a, b = torch.rand(rows, 3), torch.rand(rows, 3)
        assert torch.equal(graph(a, b), a + 2 * b)
    assert len(captures) == 2


def test_without_a_gpu_the_work_and_the_command_are_printed(tiny_checkpoint, monkeypatch, tmp_path, capsys):
    """The command prints the work, bytes and the command to run on a GPU, and writes nothing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "speed.json"
    assert (
        main(["engine-speed", "--checkpoint", str(tiny_checkpoint), "--out", str(out), "--steps", "20"]) == 0
    )
    said = capsys.readouterr().out
    assert all(f"TFLOP  {FORMS[form].line} " in said for form in FORMS)
    assert "bf16: weights" in said
    assert (
        "vitrine-export engine-speed --device cuda:0 --dtype bf16 fp16 --size 192x256 --steps 20"
        f" --concurrent 1 2 4 8 --checkpoint {tiny_checkpoint}"
    ) in said
    assert not out.exists()


def test_bytes_of_half_precision_are_half(unet_configs):
    """Half precision halves the bytes of weights, conditioning and garment rows."""
    whole, half = (device_bytes(unet_configs, dtype, (64, 64)) for dtype in (torch.float32, torch.bfloat16))
    assert whole.weights == 2 * half.weights
    assert whole.conditioning == 2 * half.conditioning
    assert whole.garment == 2 * half.garment == 16 * (2 * 16) * 4 * 4  # tokens · [K, V] · blocks · bytes


def test_the_default_variants_fit_the_device(monkeypatch):
    """All forms run, compiled and captured; the CPU has no CUDA graphs, and plain is always first."""
    cpu, gpu = (command._runnable(list(LADDER), torch.device(kind)) for kind in ("cpu", "cuda"))
    assert gpu == LADDER
    assert set(gpu) - set(cpu) == {Variant("cached+compile+graphs")}
    assert command._runnable([Variant("exact")], torch.device("cpu"))[0] == variants.PLAIN


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--variants", "exact+fp8"), 2, "exact+fp8: must be one of plain, "),
        (("--variants", "cached+graphs"), 1, "+graphs needs a CUDA device"),
        (("--size", "60x64"), 2, "60x64: must be WxH, multiples of 32 pixels"),
        (("--steps", "0"), 2, "0: must be a whole number from 1"),
        (("--steps", "5000"), 1, "steps must be 1 to 1000"),
    ],
)
def test_what_cannot_be_run_is_refused(tiny_checkpoint, capsys, options, code, message):
    """The error has the rule and the value."""
    words = ["engine-speed", *SMALL, "--checkpoint", str(tiny_checkpoint), *options]
    assert exit_code(words) == code
    assert message in capsys.readouterr().err


def test_a_row_without_figures_is_a_row():
    """A row without figures has no seconds."""
    assert Row("bf16", 8, "plain", 557.0, ended="out of memory").picture_s is None
