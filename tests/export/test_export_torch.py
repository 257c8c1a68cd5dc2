"""The graphs of the denoise engine as torch programs equal eager torch and the ONNX engine."""

import shutil
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vitrine_export.command import main
from vitrine_export.exporting import torch_file
from vitrine_orchestrator.try_on.engine.onnx_engine import OnnxEngine
from vitrine_orchestrator.try_on.engine.torch_engine import TorchEngine, open_program

ROWS = 4
TIMESTEPS = np.array([958, 661, 331, 1], np.float32)
GUIDANCE = np.array([2.0, 7.5, 1.5, 3.0], np.float32)
SET = {"garment.pt2", "conditioning.pt2", "unet.pt2", "about.json"}
SIZE = (8, 12)  # of latents


@pytest.fixture(scope="module")
def networks(denoise_onnx):
    """The graphs by name, in float32, as the ONNX exporter reads them."""
    return {name: network for name, (network, _) in denoise_onnx.items()}


@pytest.fixture(scope="module")
def folder(tiny_checkpoint, tmp_path_factory):
    """The folder of programs that the command writes, in float32."""
    return command(tiny_checkpoint, tmp_path_factory.mktemp("fp32"), "--unet-cond")


@pytest.fixture(scope="module")
def engine(folder):
    """The torch engine with these programs."""
    return TorchEngine(folder)


@pytest.fixture(scope="module")
def bf16(tiny_checkpoint, tmp_path_factory):
    """The same in bfloat16 without unet_cond: the folder and the printed text."""
    folder, said = tmp_path_factory.mktemp("bf16"), StringIO()
    (folder / "unet_cond.pt2").write_bytes(b"of another checkpoint")
    with redirect_stdout(said):
        command(tiny_checkpoint, folder, "--dtype", "bf16")
    return folder, said.getvalue()


def command(checkpoint, out, *options):
    assert (
        main(["torch", "--checkpoint", str(checkpoint), "--out", str(out), "--size", "96x64", *options]) == 0
    )
    return out


@pytest.fixture(scope="module")
def job(networks):
    """Four rows, each different in every input, as host arrays."""

    def arrays(name):
        network = networks[name]
        sample = (tensor.numpy() for tensor in network.sample(ROWS, SIZE))
        return dict(zip((key for key, _ in network.inputs), sample, strict=True))

    garment = arrays("garment") | {"timestep": TIMESTEPS}
    latents = arrays("garment")["garment_latents"][::-1].copy()
    return SimpleNamespace(conditioning=arrays("conditioning"), garment=garment, latents=latents)


def step(engine, job, rows=slice(None), guidance=GUIDANCE):
    """One step of these rows of the job."""
    conditioning = {name: array[rows] for name, array in job.conditioning.items()}
    garments = engine.garment(*(array[rows] for array in job.garment.values()))
    batch = engine.batch(engine.conditioning(conditioning), guidance[rows])
    return engine.predict(batch, job.latents[rows], TIMESTEPS[rows], garments)


@torch.no_grad()
def eager(networks, job):
    """The same step computed by the networks themselves."""

    def run(name, *inputs):
        return networks[name].module(*inputs)

    def tensors(arrays):
        return [torch.from_numpy(array) for array in arrays]

    made = run("conditioning", *tensors(job.conditioning.values()))
    worn = run("garment", *tensors(job.garment.values()))
    return run("unet", *tensors((job.latents, TIMESTEPS, GUIDANCE)), *made, *worn)[0].numpy()


def test_the_engine_knows_the_size_that_its_programs_are_for(engine):
    """Jobs of another size are refused before they run."""
    assert engine.latent_size == SIZE


def test_a_step_is_that_of_eager_torch_and_of_onnx(networks, engine, denoise_onnx, job):
    """Four rows at four timesteps are equal within 1e-5."""
    answer = step(engine, job)
    np.testing.assert_allclose(answer, eager(networks, job), atol=1e-5)
    np.testing.assert_allclose(answer, step(OnnxEngine(denoise_onnx["unet"][1].parent), job), atol=1e-5)


@pytest.mark.parametrize("guidance", [GUIDANCE, np.ones(ROWS, np.float32)])
def test_rows_at_different_timesteps_equal_single_rows(engine, job, guidance):
    """Rows equal single rows with guidance, and without it by unet_cond."""
    singles = [step(engine, job, slice(row, row + 1), guidance) for row in range(ROWS)]
    np.testing.assert_allclose(step(engine, job, guidance=guidance), np.concatenate(singles), atol=1e-5)


def test_bfloat16_is_near_and_its_rows_are_half_as_large(engine, bf16, job):
    """Results are finite and near float32, and rows on the device take half the bytes."""
    engines = engine, TorchEngine(bf16[0])
    wanted, answer = (step(engine, job) for engine in engines)
    assert answer.dtype == np.float32
    assert np.isfinite(answer).all()
    assert 0 < np.abs(answer - wanted).max() < 0.1 * np.abs(wanted).max()
    for rows in (
        [e.conditioning(job.conditioning) for e in engines],
        [e.garment(*job.garment.values()) for e in engines],
    ):
        whole, half = (row[0].nbytes for row in rows)
        assert half * 2 == whole


def test_a_program_moves_to_another_device(folder, job):
    """Constants of the graph move too; torch's meta device refuses tensors of another one."""
    inputs = [torch.from_numpy(array).to("meta") for array in job.garment.values()]
    levels = open_program(folder / "garment.pt2", "meta")(*inputs)
    assert {level.device.type for level in levels} == {"meta"}


def test_a_program_holds_what_it_reads_and_no_paths(folder, networks):
    """A program holds the parameters that its graph reads, not those of both nets."""
    held = torch.export.load(folder / "conditioning.pt2").state_dict
    assert 0 < len(held) < len(networks["conditioning"].module.state_dict()) / 2
    assert not any(b"/vitrine_export/" in path.read_bytes() for path in folder.iterdir())


def test_the_command_prints_what_it_wrote(bf16):
    """A line is printed for each program, and files of an earlier set are removed."""
    folder, said = bf16
    assert {path.name for path in folder.iterdir()} == SET
    assert [line.split()[0] for line in said.splitlines()] == ["garment.pt2", "conditioning.pt2", "unet.pt2"]
    assert "from torch, allowed 5e-02" in said


def test_a_program_that_is_far_from_torch_is_not_kept(tiny_checkpoint, folder, tmp_path, monkeypatch, capsys):
    """No program of the set is kept, and the earlier set stays."""
    kept = shutil.copytree(folder, tmp_path / "kept")
    before = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    written = torch.export.load(folder / "garment.pt2")
    monkeypatch.setattr(torch_file, "exported", lambda network, sample: written)
    monkeypatch.setattr(torch_file, "difference", lambda given, wanted: 0.5)
    words = ["torch", "--checkpoint", str(tiny_checkpoint), "--out", str(kept), "--size", "96x64"]
    assert main(words) == 1
    assert "export failed: garment: the program is 5.0e-01 from torch" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == before


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu", "bad request: device must be cpu or cuda:N, got tpu"), ("cuda:99", "unavailable: torch sees")],
)
def test_a_missing_device_is_reported(tiny_checkpoint, tmp_path, capsys, device, message):
    """A missing device is reported before anything is loaded."""
    out = tmp_path / "out"
    assert main(["torch", "--checkpoint", str(tiny_checkpoint), "--out", str(out), "--device", device]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.skipif(shutil.which("g++") is None, reason="AOTInductor needs g++")
def test_a_compiled_program_is_that_of_torch(networks, tmp_path, job):
    """AOTInductor compiles the smallest of the graphs, with the same result."""
    ordered = torch_file.ProgramSet([networks["conditioning"]], SIZE, compiled=True)
    torch_file.write_all(ordered, tmp_path, lambda name, proof: None)
    run = open_program(tmp_path / "conditioning.pt2", "cpu")
    inputs = [torch.from_numpy(array) for array in job.conditioning.values()]
    with torch.no_grad():
        for given, wanted in zip(run(*inputs), networks["conditioning"].module(*inputs), strict=True):
            torch.testing.assert_close(given, wanted, atol=1e-5, rtol=0)
