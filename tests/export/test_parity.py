"""The command `vitrine-export parity` on a small folder: what it finds, passes and fails."""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from vitrine_export import parity
from vitrine_export.nets import build_garment, build_tryon, released_state_dict
from vitrine_export.nets.pipeline import Choices, Inputs, Nets, run
from vitrine_export.nets.step_forms import Job, plain
from vitrine_export.parity.pipes import given_noise

DATA = Path(__file__).parents[1] / "data"
CONTEXT, POOLED, HEIGHT, WIDTH = 16, 8, 64, 48
POOLS = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
UNET = {
    "in_channels": 13,
    "out_channels": 4,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [1, 2],
    "cross_attention_dim": CONTEXT,
    "use_linear_projection": True,
    "norm_num_groups": 4,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": POOLED + 6 * 4,
    "encoder_hid_dim": 12,
    "encoder_hid_dim_type": "ip_image_proj",
}
META = {
    "scheduler": {"beta_schedule": "scaled_linear", "steps_offset": 1, "rescale_betas_zero_snr": True},
    "resampler": {"dim": 16, "depth": 1, "dim_head": 8, "heads": 2, "num_queries": 4},
    "vae": {
        "block_out_channels": [4, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "norm_num_groups": 4,
        "latent_channels": 4,
        "scaling_factor": 0.2,
    },
    "image_encoder": {
        "hidden_size": 12,
        "intermediate_size": 16,
        "projection_dim": 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    },
    "configs": {"other": {"unet": UNET, "unet_encoder": {**UNET, "in_channels": 4}}},
    "pipelines": [
        {"name": "other_pipe_ddpm_png", "steps": 2, "guidance": 3.0, "seed": 5, "global_seed": 6},
        {"name": "other_pipe_ddim_arrays", "steps": 3, "guidance": 1.0, "seed": 7, "deterministic": True},
    ],
}


@pytest.fixture(scope="module")
def nets():
    """A whole set of networks with random weights; its VAE halves once."""
    torch.manual_seed(3)
    return Nets(
        build_tryon({**UNET, "image_projection": META["resampler"]}).eval(),
        build_garment({**UNET, "in_channels": 4}).eval(),
        AutoencoderKL(**META["vae"]).eval(),
        CLIPVisionModelWithProjection(CLIPVisionConfig(**META["image_encoder"])).eval(),
    )


@pytest.fixture(scope="module")
def folder(nets, tmp_path_factory):
    """Reference arrays in the released form, of our own plain computation."""
    path = tmp_path_factory.mktemp("parity")
    (path / "meta.json").write_text(json.dumps(META))
    save_file(released_state_dict(nets.tryon), path / "other_unet.safetensors")
    save_file(released_state_dict(nets.garment), path / "other_unet_encoder.safetensors")
    save_file(nets.vae.state_dict(), path / "vae.safetensors")
    save_file(nets.image_encoder.state_dict(), path / "image_encoder.safetensors")
    write_step(path, nets, "two", halves=2)
    write_step(path, nets, "unguided", halves=1)
    write_png_run(path, nets)
    write_array_run(path, nets)
    write_person(path)
    return path


@torch.no_grad()
def write_step(path, nets, name, halves):
    """One UNet step of two rows."""
    rows, size, text = 2, (8, 6), (2, 77, CONTEXT)
    step = {
        key: torch.randn(rows, 4, *size)
        for key in ("latents", "masked_latents", "pose_latents", "cloth_latents")
    }
    step |= {"mask": torch.ones(rows, 1, *size), "time_ids": torch.full((rows, 6), 64.0)}
    step |= {key: torch.randn(*text) for key in ("text_cloth", "prompt", "neg_prompt")}
    step |= {key: torch.randn(rows, POOLED) for key in ("pooled", "neg_pooled")}
    step |= {key: torch.randn(rows, 5, 12) for key in ("clip_hidden", "clip_hidden_uncond")}
    stacked = {
        key: torch.stack([step[part] for part in parts][2 - halves :])
        for key, parts in {
            "text": ("neg_prompt", "prompt"),
            "pooled": ("neg_pooled", "pooled"),
            "hidden": ("clip_hidden_uncond", "clip_hidden"),
        }.items()
    }
    tokens = nets.tryon.image_tokens(stacked["hidden"].flatten(0, 1)).unflatten(0, (halves, rows))
    fixed = torch.cat([step[key] for key in ("mask", "masked_latents", "pose_latents")], dim=1)
    given = (fixed, step["cloth_latents"], step["text_cloth"], stacked["text"], tokens, stacked["pooled"])
    job, timesteps = Job(*given, step["time_ids"]), torch.tensor([331, 331])
    step["noise_pred"] = plain(nets.tryon, nets.garment, job)(step["latents"], timesteps)
    step["unet_input"] = job.sample(step["latents"])
    features = nets.garment(job.garment, timesteps, job.garment_prompt)
    step |= {f"feat_{index:02d}": feature for index, feature in enumerate(features)}
    save(path / f"other_unetstep_{name}.npz", step | {"timestep": timesteps[0]})


def write_png_run(path, nets):
    """A guided DDPM run of one row from PNG files."""
    person, mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    person[10:50, 10:30], mask[20:40, 12:40] = (200, 30, 90), 255
    Image.fromarray(person).save(path / "other_pipe_ddpm_png_human.png")
    Image.fromarray(mask).save(path / "other_pipe_ddpm_png_mask.png")
    given = arrays_of(rows=1)
    inputs = inputs_of(given, Image.fromarray(person), Image.fromarray(mask))
    torch.manual_seed(6)
    choices = Choices(steps=2, guidance=3.0, form="plain")
    scheduler = DDPMScheduler(**META["scheduler"])
    outcome = run(nets, scheduler, inputs, choices, torch.Generator().manual_seed(5))
    save(path / "other_pipe_ddpm_png.npz", given | stored(outcome))


def write_array_run(path, nets):
    """A run without guidance: DDIM, the posteriors' modes, two rows, pictures as arrays."""
    given = arrays_of(rows=2)
    given |= {
        "image": torch.rand(2, 3, HEIGHT, WIDTH) * 2 - 1,
        "mask": (torch.rand(2, 1, HEIGHT, WIDTH) > 0.5).float(),
    }
    choices = Choices(steps=3, guidance=1.0, form="plain", posterior="mode")
    inputs, generator = inputs_of(given, given["image"], given["mask"]), torch.Generator().manual_seed(7)
    outcome = run(nets, DDIMScheduler(**META["scheduler"]), inputs, choices, generator)
    given["somebody"] = given.pop("image")  # an unknown name: recognised by its shape
    save(path / "other_pipe_ddim_arrays.npz", given | stored(outcome))


def arrays_of(rows):
    """The embeddings and tensors of a run."""
    made = {key: torch.rand(rows, 3, HEIGHT, WIDTH) * 2 - 1 for key in ("pose_img", "cloth")}
    made |= {key: torch.randn(rows, 77, CONTEXT) for key in ("prompt_embeds", "negative_prompt_embeds")}
    made |= {
        key: torch.randn(rows, POOLED) for key in ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    }
    made["text_embeds_cloth"] = torch.randn(rows, 77, CONTEXT)
    return made | {"clip_pixel_values": torch.randn(rows, 3, 32, 32)}


def inputs_of(given, image, mask):
    """The same values as a run's inputs."""
    names = ("pose_img", "cloth", "clip_pixel_values", "prompt_embeds", "negative_prompt_embeds")
    names += (*POOLS, "text_embeds_cloth")
    return Inputs(image, mask, *(given[name] for name in names))


def stored(outcome):
    """A run's results under the released names."""
    made = {"output_np": outcome.image, "timesteps": np.array([step.timestep for step in outcome.steps])}
    for index, step in enumerate(outcome.steps):
        made |= {f"step{index}_unet_in": step.sample, f"step{index}_noise_pred": step.prediction}
        made |= {f"step{index}_latents_after": step.latents}
    return made


def write_person(path):
    """Released masks of a drawn person."""
    with np.load(DATA / "person_masks.npz") as known:
        made = {"s0_parse": known["s1_dress_labels"], "s0_kp": known["s1_dress_keypoints"]}
        made["s0_dc_dresses_mask"] = known["s1_dress_dc_dresses"]
    save(path / "masks.npz", made)


def save(file, made):
    np.savez(file, **{name: np.asarray(value) for name, value in made.items()})


def told(capsys, folder, *options):
    """Run the command; returns its exit status and JSON."""
    parser = argparse.ArgumentParser()
    parity.add_arguments(parser)
    status = parity.run(parser.parse_args([str(folder), "--json", *options]))
    printed = capsys.readouterr()
    assert printed.err == ""
    return status, json.loads(printed.out)


def test_every_case_of_a_folder_is_compared_in_both_forms(folder, capsys):
    """Cases of any config and row count, from PNG or arrays, are all compared."""
    status, answer = told(capsys, folder)
    assert (status, answer["ok"]) == (0, True)
    predictions = {(c["case"], c["form"]) for c in answer["checks"] if c["quantity"] == "noise prediction"}
    cases = [file.stem for file in folder.glob("other_*.npz")]
    assert predictions == {(case, form) for case in cases for form in ("plain", "fast")}
    assert len(cases) == 4
    assert [c["difference"] for c in answer["checks"] if c["case"] == "masks"] == [0]


@pytest.mark.parametrize(
    ("file", "key", "quantity"),
    [
        ("other_unetstep_two", "noise_pred", "noise prediction"),
        ("other_unetstep_two", "unet_input", "unet input"),
        ("other_pipe_ddpm_png", "step1_latents_after", "latents"),
        ("other_pipe_ddim_arrays", "output_np", "image"),
        ("other_pipe_ddim_arrays", "timesteps", "timesteps"),
    ],
)
def test_another_number_fails_in_its_place(folder, tmp_path, capsys, file, key, quantity):
    """Rows in another order fail their gate with exit status 1 and the quantity's name."""
    copy = shutil.copytree(folder, tmp_path / "changed")
    with np.load(copy / f"{file}.npz") as known:
        changed = {name: known[name] for name in known.files}
    changed[key] = np.flip(changed[key])
    save(copy / f"{file}.npz", changed)
    for other in set(copy.glob("other_*_*.npz")) - {copy / f"{file}.npz"}:
        other.unlink()
    status, answer = told(capsys, copy)
    failed = {(c["case"], c["quantity"]) for c in answer["checks"] if not c["ok"]}
    assert (status, (file, quantity) in failed) == (1, True)


def test_a_mask_that_differs_fails(folder, tmp_path, capsys):
    """A mask that differs in more than a few pixels fails."""
    for name in ("meta.json", "masks.npz"):
        shutil.copy(folder / name, tmp_path)
    with np.load(tmp_path / "masks.npz") as known:
        changed = {name: known[name] for name in known.files}
    save(tmp_path / "masks.npz", changed | {"s0_dc_dresses_mask": ~changed["s0_dc_dresses_mask"]})
    assert told(capsys, tmp_path)[0] == 1


@pytest.mark.parametrize("meta", [None, "{", "{}"])
def test_a_folder_without_cases_does_not_pass(tmp_path, capsys, meta):
    """A missing or broken meta.json, or no case, ends with exit status 2 and one sentence."""
    if meta is not None:
        (tmp_path / "meta.json").write_text(meta)
    parser = argparse.ArgumentParser()
    parity.add_arguments(parser)
    assert parity.run(parser.parse_args([str(tmp_path)])) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers' Euler, with newer numpy
@pytest.mark.parametrize("kind", [DDPMScheduler, DDIMScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("stored_array", [True, False])
def test_start_latents_that_a_case_was_given_are_taken(kind, stored_array):
    """Start latents come from their array or the first step; without the word they are drawn."""
    scheduler, choices = kind(), Choices(steps=3, guidance=2.0, form="plain")
    noise = torch.randn(1, 4, 8, 6)
    scheduler.set_timesteps(3)
    scaled = scheduler.scale_model_input(noise * scheduler.init_noise_sigma, scheduler.timesteps[0])
    arrays = {
        "step0_unet_in": torch.cat([scaled, torch.zeros(1, 9, 8, 6)], 1).repeat(2, 1, 1, 1).numpy(),
        "step0_latents_after": noise.numpy(),
    }
    if stored_array:
        arrays["init_latents"] = noise.numpy()
    taken = given_noise(scheduler, choices, {"init_latents_given": True}, arrays)
    assert torch.allclose(taken, noise, atol=1e-5)
    assert given_noise(scheduler, choices, {}, arrays) is None
