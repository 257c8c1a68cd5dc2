"""Z-Image's program over the exported graph: mixed rows in one call, pads, guidance, starts, adapters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from counted_rows import CountedRows
from vitrine.errors import BadRequest, NotFound, Unavailable
from vitrine_export.nets.z_image import rows_of, velocities
from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.drawing.engine import NetworkRow, OnnxEngine
from vitrine_orchestrator.drawing.job_request import JobRules
from vitrine_orchestrator.drawing.program import PictureProgram
from vitrine_orchestrator.engine.onnx_device import cpu
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image import form as form_module
from vitrine_orchestrator.z_image.facts import TRANSFORMER
from vitrine_orchestrator.z_image.form import ZImageForm
from worlds import BASE, arrays, job, picture, predicted, styled, write_lora

CLOSE = 1e-5
MIXED = (  # of a batch: sizes, prompt lengths, steps and adapters that differ
    {"seed": 1, "size": (64, 64), "tokens": 5, "steps": 4, "step": 0},
    {"seed": 2, "size": (96, 64), "tokens": 40, "steps": 8, "step": 6, **styled(("night", 0.8))},
    {"seed": 3, "size": (64, 112), "tokens": 32, "steps": 3, "step": 2, **styled(("line", 1.0))},
    {"seed": 4, "size": (112, 80), "tokens": 1, "steps": 8, "step": 3, **picture(4, (112, 80), 0.9)},
)


@pytest.fixture(scope="module")
def registry(net, tmp_path_factory):
    """A registry of two adapters of the base, and of one of another base."""
    folder = tmp_path_factory.mktemp("loras")
    write_lora(net, folder / "night", 4, 1)
    write_lora(net, folder / "line", 8, 2)
    write_lora(net, folder / "large", 12, 3)
    write_lora(net, folder / "foreign", 4, 4, base="f" * 64)
    return folder


@pytest.fixture(scope="module")
def engine(denoise_folder, facts):
    """The exported transformer."""
    return OnnxEngine(denoise_folder / TRANSFORMER, ZImageForm(facts), cpu(1))


@pytest.fixture
def rows(engine, facts, monkeypatch):
    """What notes the rows of each call of the transformer."""
    rows = CountedRows(ZImageForm(facts))
    monkeypatch.setattr(engine, "_form", rows)
    return rows


@pytest.fixture
def program(engine, facts, registry):
    """A program without jobs."""
    loras = Registry(registry, FAMILY, BASE, max_bytes=2**30)
    rules = JobRules(FAMILY, Schedules(facts.scheduler), loras)
    return PictureProgram(engine, ZImageForm(facts), facts, rules)


def test_four_different_rows_in_one_call_equal_four_calls(program, rows):
    """Sizes, prompt lengths, sigmas, adapters and starts differ; each row is as if it were alone."""
    together = predicted(program, [job(program, **asked) for asked in MIXED])
    assert rows.calls == [4]
    for row, asked in zip(together, MIXED, strict=True):
        (alone,) = predicted(program, [job(program, **asked)])
        assert row.shape == alone.shape
        assert np.abs(row - alone).max() < CLOSE


def test_lanes_compute_the_same_rows(program, denoise_folder, facts, registry):
    """Two threads of which each computes its own rows answer as one call does; one row is not divided."""
    counted = CountedRows(ZImageForm(facts))
    engine = OnnxEngine(denoise_folder / TRANSFORMER, counted, cpu(2), lanes=2)
    rules = JobRules(FAMILY, Schedules(facts.scheduler), Registry(registry, FAMILY, BASE, max_bytes=2**30))
    divided = PictureProgram(engine, ZImageForm(facts), facts, rules)
    assert divided.lanes == 2
    rows = predicted(divided, [job(divided, **asked) for asked in MIXED])
    assert counted.calls == [2, 2]
    for row, other in zip(rows, predicted(program, [job(program, **asked) for asked in MIXED]), strict=True):
        assert np.abs(row - other).max() < CLOSE
    predicted(divided, [job(divided, **MIXED[0])])
    assert counted.calls == [2, 2, 1]


def test_an_adapter_changes_its_own_row_only(program):
    """Without its adapter a row is another picture, and by twice the weight another one again."""
    plain, styled_once, styled_twice = (
        predicted(program, [job(program, seed=2, **more)])[0]
        for more in ({}, styled(("night", 0.5)), styled(("night", 1.0)))
    )
    assert np.abs(plain - styled_once).max() > 0.05
    assert np.abs(styled_twice - styled_once).max() > 0.05
    (both,) = predicted(program, [job(program, seed=2, **styled(("night", 0.0), ("line", 0.0)))])
    assert np.abs(plain - both).max() < CLOSE


@torch.no_grad()
def reference(net, made):
    """The velocity of one job by the torch network that was compared with the released code."""
    rows = rows_of([torch.from_numpy(made.latents)], [torch.from_numpy(made.request.caption)])
    time = torch.tensor([1 - made.timestep / 1000])
    return velocities(net(*rows.tensors, time), [torch.from_numpy(made.latents)])[0].numpy()


def test_rows_are_what_the_network_was_compared_with(program, net):
    """In a mixed call each row without an adapter is what torch computes for it alone."""
    made = [job(program, **asked) for asked in (MIXED[0], MIXED[3])]
    for row, one in zip(predicted(program, made), made, strict=True):
        assert np.abs(row - reference(net, one)).max() < 1e-4


def test_the_networks_time_is_of_a_thousand_steps(program, facts):
    """The released pipeline divides by 1000, whatever num_train_timesteps says."""
    form = ZImageForm(replace(facts, scheduler={**facts.scheduler, "num_train_timesteps": 500}))
    made = job(program)
    (fixed,) = form.rows(made.request)
    feeds = form.feeds([NetworkRow(fixed, made.latents, 250.0, 0.0, 0)])
    assert feeds["time"].tolist() == [0.75]


def attended_fill(feeds):
    """What fills a row up to the longest of the call is attended."""
    return feeds | {f"{part}_valid": np.ones_like(feeds[f"{part}_valid"]) for part in ("picture", "caption")}


def masked_pads(feeds):
    """The native pads are masked."""
    return feeds | {
        f"{part}_valid": feeds[f"{part}_valid"] & ~feeds[f"{part}_pad"] for part in ("picture", "caption")
    }


def zeroed_pads(feeds):
    """The native pads are zeros and not the learned tokens."""
    return feeds | {f"{part}_pad": np.zeros_like(feeds[f"{part}_pad"]) for part in ("picture", "caption")}


@pytest.mark.parametrize("wrong", [attended_fill, masked_pads, zeroed_pads])
def test_a_wrong_pad_changes_the_result(program, net, monkeypatch, wrong):
    """Control: the comparisons above fail when a pad of either kind is on the wrong side of the mask."""
    right = form_module.stacked_rows
    monkeypatch.setattr(form_module, "stacked_rows", lambda rows: wrong(right(rows)))
    made = [job(program, **asked) for asked in (MIXED[0], MIXED[3])]
    row = predicted(program, made)[0]
    assert np.abs(row - reference(net, made[0])).max() > 0.01


def test_guidance_is_applied_by_row(program):
    """A guided row is v + g · (v − v of the negative prompt); a row beside it has none."""
    guided, plain = job(program, seed=1, guidance=3.0), job(program, seed=2)
    request = guided.request
    one, other = predicted(program, [guided, plain])
    positive = job(program, seed=1)
    positive.latents = guided.latents
    negative = job(program, seed=1, caption=request.negative_caption)
    (v,), (w,) = predicted(program, [positive]), predicted(program, [negative])
    assert np.abs(one - (v + 3 * (v - w))).max() < 1e-4
    assert np.abs(other - predicted(program, [job(program, seed=2)])[0]).max() < CLOSE


def finished(program, asked, count=8):
    """The latents of these requests, computed by one batcher."""
    batcher = Batcher(program, Counters(), clock=lambda: 0.0)
    made = [Job(program.read(arrays(**one)), f"job {n}", submitted=0.0) for n, one in enumerate(asked)]
    batcher.joining += made
    for _ in range(count):
        batcher.step()
    assert all(one.state == "done" for one in made), [one.error for one in made]
    return [one.latents for one in made]


def test_whole_jobs_of_different_sizes_share_a_batcher(program):
    """Four jobs that run together end with the latents that each has alone; all slots are free again."""
    asked = [{name: value for name, value in one.items() if name != "step"} for one in MIXED]
    together = finished(program, asked)
    for latents, one in zip(together, asked, strict=True):
        (alone,) = finished(program, [one])
        assert np.abs(latents - alone).max() < 1e-4 * max(1, np.abs(alone).max())
    assert not any(slot.jobs for slot in program.slots._slots.values())


def test_a_start_from_a_picture_mixes_it_with_the_jobs_own_noise(program):
    """Strength 0.5 of 4 steps runs the last 2, from σ · noise + (1 − σ) · picture."""
    given = picture(7, strength=0.5)
    made = job(program, seed=7, steps=4, **given)
    sigma = made.timestep / 1000
    wanted = sigma * initial_noise(7, (16, 8, 8)) + (1 - sigma) * given["start_latents"]
    assert made.steps == 2
    assert sigma == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))  # the static shift of 3
    assert np.abs(made.latents - wanted).max() < 1e-6


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"size": (60, 64)}, "width must be a multiple of 16 up to 1024, got 60"),
        ({"size": (64, 0)}, "height must be a multiple of 16"),
        ({"size": (64, 1040)}, "height must be a multiple of 16 up to 1024, got 1040"),
        ({"tokens": 0}, "caption must have shape"),
        ({"tokens": 225}, "with 1 to 224 tokens"),
        ({"steps": 0}, "steps must be 1 to 100"),
        ({"guidance": float("nan")}, "guidance must be 0 to 20"),
        ({"caption": np.full((3, 32), np.nan, np.float32)}, "caption must be finite"),
        (picture(strength=0.0), "strength must be more than 0 and at most 1"),
        (picture(strength=float("nan")), "strength must be 0 to 1, got nan"),
        (picture(strength=1.1), "strength must be 0 to 1, got 1.1"),
        ({"strength": np.array([0.5], np.float32)}, "strength must not be given without start_latents"),
        (picture(size=(64, 72)), "start_latents must have sides that are multiples of 2"),
        (styled(("night", 5.0)), "lora_weight must be -4 to 4, got 5"),
        (styled(("night", float("nan"))), "lora_weight must be -4 to 4, got nan"),
        (styled(("night", 1.0), ("large", 1.0), ("line", 1.0)), "at most 16, got 24"),
        (styled(("foreign", 1.0)), f"of base z-image {'b' * 12}, got z-image {'f' * 12}"),
        (styled(("../night", 1.0)), "lora must be a name of letters"),
        ({"scheduler": np.array([b"ddim"], object)}, "scheduler must be one of"),
    ],
)
def test_a_bad_request_is_refused_before_it_waits(program, more, said):
    """The error names the input, the rule and the value."""
    with pytest.raises(BadRequest) as refused:
        program.read(arrays(**more))
    assert said in str(refused.value)


def test_an_unknown_adapter_is_not_found(program):
    """A name without a folder is not found."""
    with pytest.raises(NotFound, match="no lora 'day'"):
        program.read(arrays(**styled(("day", 1.0))))


def test_a_changed_adapter_file_is_refused(program, registry, net):
    """A file that is not the one of the card is named, and a replaced adapter is read anew."""
    write_lora(net, registry / "torn", 4, 5)
    with (registry / "torn" / "slot.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(Unavailable, match=r"torn: slot\.safetensors is not the file"):
        program.read(arrays(**styled(("torn", 1.0))))
    write_lora(net, registry / "torn", 4, 6)
    assert program.read(arrays(**styled(("torn", 1.0)))).loras[0][0].card.rank == 4
