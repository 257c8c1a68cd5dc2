"""ONNX Runtime and torch behind the engine protocol, on toy graphs with the real tensors."""

import ctypes
import threading
import warnings
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from vitrine.errors import Unavailable
from vitrine_orchestrator.cores.turn_lock import NoTurnLock
from vitrine_orchestrator.engine.onnx_device import cpu, cuda
from vitrine_orchestrator.try_on.engine import load_engine
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.engine.onnx_engine import OnnxEngine
from vitrine_orchestrator.try_on.engine.split_engine import SplitEngine
from vitrine_orchestrator.try_on.engine.torch_engine import TorchEngine

ROWS, SIZE, WIDTH, POOLED = 3, (8, 4), 6, 5


class Garment(nn.Module):
    """Two attention levels, the second at a quarter of the tokens."""

    def forward(self, garment_latents, timestep, garment_prompt_embeds):
        tokens = garment_latents.flatten(2).transpose(1, 2) * timestep[:, None, None].cos()
        tokens = tokens + garment_prompt_embeds.mean(dim=(1, 2))[:, None, None]
        return tokens, tokens[:, ::4] * 2


class Conditioning(nn.Module):
    """The four outputs, each computed from some of the inputs."""

    def forward(
        self,
        mask_latent,
        masked_latents,
        pose_latents,
        prompt_embeds,
        pooled_prompt_embeds,
        image_tokens,
        time_ids,
    ):
        base = mask_latent + masked_latents - pose_latents
        added = pooled_prompt_embeds + time_ids[:, None, :5] / 1000
        return base, added, prompt_embeds * 2, image_tokens * 3


class Unet(nn.Module):
    """A toy UNet with guidance, in which every input changes the output."""

    def forward(
        self, latents, timestep, guidance, base, added, text_kv, image_kv, garment_kv_0, garment_kv_1
    ):
        marks = added.mean(2) + text_kv.mean((2, 3)) + image_kv.mean((2, 3))
        worn = garment_kv_0.mean((1, 2)) + garment_kv_1.mean((1, 2))
        mark = marks[:, 0] + guidance * (marks[:, 1] + worn - marks[:, 0])
        return latents * 0.5 + base + (mark + timestep.sin())[:, None, None, None]


class UnetCond(nn.Module):
    """The conditional half alone, shifted by one so that a test sees which graph ran."""

    def forward(self, latents, timestep, base, added, text_kv, image_kv, garment_kv_0, garment_kv_1):
        mark = 1 + added.mean((1, 2)) + text_kv.mean((1, 2, 3)) + image_kv.mean((1, 2, 3))
        mark = mark + garment_kv_0.mean((1, 2)) + garment_kv_1.mean((1, 2))
        return latents * 0.5 + base + (mark + timestep.sin())[:, None, None, None]


def inputs(rows=ROWS, seed=0):
    """Arrays for one call of each graph."""
    random = np.random.default_rng(seed)

    def normal(*shape):
        return random.standard_normal((rows, *shape)).astype(np.float32)

    conditioning = {
        "mask_latent": normal(1, *SIZE),
        "masked_latents": normal(4, *SIZE),
        "pose_latents": normal(4, *SIZE),
        "prompt_embeds": normal(2, 77, WIDTH),
        "pooled_prompt_embeds": normal(2, POOLED),
        "image_tokens": normal(2, 16, WIDTH),
        "time_ids": normal(6),
    }
    timesteps = np.linspace(900, 1, rows, dtype=np.float32)
    return conditioning, (normal(4, *SIZE), timesteps, normal(77, WIDTH)), normal(4, *SIZE)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The toy graphs as .onnx and .pt2, with a second folder without guidance."""
    folder = tmp_path_factory.mktemp("graphs")
    conditioning, garment, latents = ([torch.from_numpy(a) for a in group] for group in tensors())
    made = Conditioning()(*conditioning)
    worn, timesteps = Garment()(*garment), garment[1]
    step = (*latents, timesteps, torch.ones(ROWS), *made, *worn)
    halved = (*latents, timesteps, made[0], *(part[:, 1:].contiguous() for part in made[1:]), *worn)
    outputs = {
        "garment": (Garment(), garment, ["garment_kv_0", "garment_kv_1"]),
        "conditioning": (Conditioning(), conditioning, ["base", "added", "text_kv", "image_kv"]),
        "unet": (Unet(), step, ["prediction"]),
        "unet_cond": (UnetCond(), halved, ["prediction"]),
    }
    for name, (module, arguments, names) in outputs.items():
        write(folder / name, module, tuple(arguments), names)
    return folder


def tensors():
    conditioning, garment, latents = inputs()
    return conditioning.values(), garment, [latents]


def write(path, module, arguments, names):
    rows = tuple({0: torch.export.Dim.DYNAMIC} for _ in arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        program = torch.export.export(module, arguments, dynamic_shapes=rows)
        torch.export.save(program, path.with_suffix(".pt2"))
        torch.onnx.export(program, arguments, path.with_suffix(".onnx"), output_names=names, verbose=False)


@pytest.fixture(scope="session", params=["onnx", "onnx in lanes", "torch", "onnx bound as on a GPU"])
def engine(request, folder):
    if request.param == "torch":
        return TorchEngine(folder)
    if request.param == "onnx in lanes":
        return load_engine(folder, threads=2)
    return OnnxEngine(folder, cpu(1) if request.param == "onnx" else bound())


def bound():
    """The CPU, used like a GPU: memory of ONNX Runtime, and copies by the device's function."""
    allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
    return replace(cpu(1), allocate=lambda shape, dtype: allocate(shape, dtype, "cpu", 0))


def run(engine, conditioning, garment, latents, guidance):
    """One step of rows that join together."""
    batch = engine.batch(engine.conditioning(conditioning), guidance)
    return engine.predict(batch, latents, garment[1], engine.garment(*garment))


def in_torch(conditioning, garment, latents, guidance):
    tensor = torch.from_numpy
    made = Conditioning()(*(tensor(array) for array in conditioning.values()))
    worn = Garment()(*(tensor(array) for array in garment))
    return Unet()(tensor(latents), tensor(garment[1]), tensor(guidance), *made, *worn).numpy()


def test_a_step_equals_torch(engine):
    """Rows at their own timesteps and guidance equal torch."""
    guidance = np.array([2.0, 7.5, 3.0], np.float32)
    conditioning, garment, latents = inputs()
    answer = run(engine, conditioning, garment, latents, guidance)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, in_torch(conditioning, garment, latents, guidance), atol=1e-5)


def test_batched_equals_single(engine):
    """A row alone equals the same row in a batch."""
    guidance = np.array([2.0, 0.5, 3.0], np.float32)
    conditioning, garment, latents = inputs()
    together = run(engine, conditioning, garment, latents, guidance)
    for i in (0, 2):
        row = slice(i, i + 1)
        alone = run(
            engine,
            {name: array[row] for name, array in conditioning.items()},
            tuple(array[row] for array in garment),
            latents[row],
            guidance[row],
        )
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_rows_from_different_calls_share_a_step(engine):
    """The engine combines conditioning and garment rows of different calls."""
    guidance = np.array([2.0, 3.0], np.float32)
    calls = [inputs(rows=2, seed=seed) for seed in (1, 2)]
    kept = [engine.conditioning(conditioning)[1] for conditioning, _, _ in calls]
    worn = [engine.garment(*garment)[0] for _, garment, _ in calls]
    latents = calls[0][2]
    timesteps = calls[0][1][1][:1].repeat(2)
    answer = engine.predict(engine.batch(kept, guidance), latents, timesteps, worn)
    mixed = {name: np.stack([c[name][1] for c, _, _ in calls]) for name in calls[0][0]}
    garment = tuple(np.stack([g[i][0] for _, g, _ in calls]) for i in range(3))
    np.testing.assert_allclose(answer, in_torch(mixed, garment, latents, guidance), atol=1e-5)


def test_a_batch_serves_step_after_step(engine):
    """Fixed inputs stay; latents, timesteps and garment rows change each time."""
    guidance = np.full(ROWS, 2.0, np.float32)
    conditioning, garment, latents = inputs()
    batch = engine.batch(engine.conditioning(conditioning), guidance)
    for seed in range(3):
        _, garment, latents = inputs(seed=seed)
        answer = engine.predict(batch, latents, garment[1], engine.garment(*garment))
        np.testing.assert_allclose(answer, in_torch(conditioning, garment, latents, guidance), atol=1e-5)


def test_rows_without_guidance_run_the_smaller_graph(engine):
    """Without guidance only the conditional half runs; one guided row makes both run for all."""
    conditioning, garment, latents = inputs()
    full = in_torch(conditioning, garment, latents, np.ones(ROWS, np.float32))
    unguided = run(engine, conditioning, garment, latents, np.array([1.0, 0.0, 0.5], np.float32))
    np.testing.assert_allclose(unguided, full + 1, atol=1e-5)
    mixed = run(engine, conditioning, garment, latents, np.array([1.0, 0.0, 4.0], np.float32))
    np.testing.assert_allclose(mixed[1], full[1], atol=1e-5)  # the others' lane may have no guided row


def test_a_row_knows_its_bytes(engine):
    """Garment rows are counted to the byte, for the bound of the cache."""
    _, garment, _ = inputs()
    assert [row.nbytes for row in engine.garment(*garment)] == [4 * (32 * 4 + 8 * 4)] * ROWS


def test_a_row_outlives_its_call(engine):
    """Rows own their memory, so a later call does not overwrite them."""
    guidance = np.full(1, 2.0, np.float32)
    conditioning, garment, latents = inputs(rows=1)
    kept, worn = engine.conditioning(conditioning), engine.garment(*garment)
    for seed in range(1, 4):
        other = inputs(rows=1, seed=seed)
        run(engine, *other, guidance)
    answer = engine.predict(engine.batch(kept, guidance), latents, garment[1], worn)
    np.testing.assert_allclose(answer, in_torch(conditioning, garment, latents, guidance), atol=1e-5)


def test_graphs_of_one_size_say_so(folder):
    """The engine reports the fixed latent sides of the toy graphs."""
    assert OnnxEngine(folder).latent_size == SIZE


def test_the_folder_decides_the_engine(folder, tmp_path):
    """The file unet.onnx chooses ONNX Runtime, unet.pt2 torch; without either the error says what to do."""
    assert isinstance(load_engine(folder, threads=1), OnnxEngine)
    assert load_engine(folder, threads=3).lanes == 3
    with pytest.raises(Unavailable, match="make export"):
        load_engine(tmp_path)
    for file in folder.glob("*.pt2"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert isinstance(load_engine(tmp_path, threads=1), TorchEngine)
    with pytest.raises(ValueError, match="provider must be one of"):
        load_engine(folder, "rocm")


@pytest.mark.parametrize("kind", [OnnxEngine, TorchEngine])
def test_a_missing_graph_is_named(kind, tmp_path):
    """A folder that lacks a graph is refused by the graph's name."""
    with pytest.raises(Unavailable, match=r"garment\.(onnx|pt2)"):
        kind(tmp_path)


def test_a_missing_provider_is_named(folder):
    """Without CUDA in onnxruntime or on the machine, the error says what to install."""
    with pytest.raises(Unavailable, match=r"onnxruntime-gpu|libcudart"):
        OnnxEngine(folder, cuda())
    with pytest.raises(Unavailable, match="onnxruntime-gpu"):
        OnnxEngine(folder, replace(cpu(), providers=(("CUDAExecutionProvider", {}),)))


def test_a_lane_that_fails_fails_the_call_when_all_have_ended():
    """The call fails only when the other lane's work has ended too."""
    ended, slow = [], threading.Event()

    def before(which, rows):
        if which == "predict" and rows == 2:
            slow.wait(10)
            ended.append(rows)
        elif which == "predict":
            slow.set()
            raise RuntimeError("one row too few")

    engine = SplitEngine(FakeEngine(), FakeEngine(before=before), 2, NoTurnLock())
    conditioning, garment, latents = inputs()
    with pytest.raises(RuntimeError, match="one row too few"):
        run(engine, conditioning, garment, latents, np.full(ROWS, 2.0, np.float32))
    assert ended == [2]


def test_few_rows_are_computed_by_all_cores_together():
    """Fewer rows than lanes run in one call of the engine with all cores."""
    whole, single = FakeEngine(), FakeEngine()
    engine = SplitEngine(whole, single, 2, NoTurnLock())
    for rows in (1, 5):
        conditioning, garment, latents = inputs(rows=rows)
        run(engine, conditioning, garment, latents, np.full(rows, 2.0, np.float32))
    assert (whole.calls["predict"], whole.rows["predict"]) == (1, 1)
    assert (single.calls["predict"], single.rows["predict"]) == (2, 5)


def test_part_of_a_row_can_be_stacked():
    """The first entries of the second axis, the unconditional half, can be left out."""
    device = bound()
    values = [
        onnxruntime.OrtValue.ortvalue_from_numpy(np.arange(12, dtype=np.float32).reshape(2, 3, 2) + k)
        for k in (0, 100)
    ]
    stacked = device.stack([(values[0], 1), (values[1], 0)], skip=1).numpy()
    np.testing.assert_array_equal(stacked, [[[8, 9], [10, 11]], [[102, 103], [104, 105]]])
    assert ctypes.sizeof(ctypes.c_float) * stacked.size == stacked.nbytes
