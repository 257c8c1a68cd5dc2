"""Training resumes where it was stopped, reaches every network, and made the shipped checkpoint."""

import copy
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import default_collate
from vitrine_export.nets import released_config
from vitrine_export.training import draws, joint, latents, load, recipe, save, tryon, vae
from vitrine_export.training.loop import Plan, fit, learning_rate
from vitrine_world.dolls import draw_garment, draw_person, sample

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "paper-doll"
PLAN = Plan(steps=7, batch=1, lr=0.1, warmup=2, save_every=2)


class Stopped(Exception):
    """Raised where a test stops the run."""


def regression(folder: Path, stop_at: int | None = None) -> nn.Module:
    """Fit a line to noise drawn from the step alone; the run may be stopped at a step."""
    torch.manual_seed(0)
    net = nn.Linear(3, 1)

    def loss_of(batch: int, step: int) -> torch.Tensor:
        assert batch == step
        if step == stop_at:
            raise Stopped
        return net(torch.randn(4, 3, generator=torch.Generator().manual_seed(step))).square().mean()

    return fit("line", net, loss_of, lambda first: range(first, PLAN.steps), PLAN, folder)


@pytest.mark.parametrize("stop_at", [1, 2, 5, 6])
def test_a_stopped_run_ends_as_an_undisturbed_one(tmp_path, stop_at):
    """A run stopped at any step resumes weights, optimiser and average from the last save."""
    whole = regression(tmp_path / "whole").state_dict()
    with pytest.raises(Stopped):
        regression(tmp_path / "stopped", stop_at)
    again = regression(tmp_path / "stopped").state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    kept = torch.load(tmp_path / "stopped" / "line.state", weights_only=True)["average"]
    assert all(torch.equal(whole[name], kept[name]) for name in whole)


def test_the_learning_rate_rises_then_falls():
    """The rate rises linearly over the warm-up, then falls on a cosine to 2 % of its peak."""
    plan = Plan(steps=100, batch=1, lr=1.0, warmup=10)
    rates = [learning_rate(plan, step) for step in range(plan.steps)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


@pytest.fixture(scope="module")
def small_vae():
    """The shipped VAE, for real latents in the tests below."""
    return AutoencoderKL.from_pretrained(CHECKPOINT / "vae", low_cpu_mem_usage=False).eval()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The folder of the small training set."""
    return tmp_path_factory.mktemp("latents")


@pytest.fixture(scope="module")
def training_set(small_vae, shards):
    """Eight samples in one shard."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latents, "SHARD", 8)
        patch.setattr(latents, "batches", lambda draw, first, steps, batch: _batches(draw, first, steps))
        yield latents.prepare(small_vae, shards, range(8))


def _batches(draw, first, steps):
    for step in range(first, steps):
        rows = [draw(index) for index in range(step * 8, step * 8 + 8)]
        yield {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def test_existing_shards_are_not_encoded_again(training_set, shards):
    """A stopped preparation continues, and reads what it wrote."""
    again = latents.prepare(None, shards, range(8))
    assert all(torch.equal(again.tensors[name], made) for name, made in training_set.tensors.items())


def test_a_row_of_the_set_is_the_sample_encoded(training_set, small_vae):
    """The garment's latents are the scaled latents of the garment's picture."""
    garment = draws.signed(draw_garment(sample(recipe.SEED + 100, 3).garment))
    expected = latents.encode(small_vae, garment[None])
    assert torch.allclose(training_set.rows(torch.tensor([3]))["garment"], expected, atol=1e-2)


def test_the_loss_reaches_every_network(training_set, tmp_path):
    """One step trains both UNets, both text encoders, the image encoder and the image tokens."""
    torch.manual_seed(0)
    nets, predictor = tryon.Nets(), tryon.LatentPredictor(training_set, tmp_path)
    for parameter in nets.parameters():  # residuals start at zero, and let no gradient through
        nn.init.normal_(parameter, std=0.05)
    indices = torch.arange(4)
    rows = training_set.rows(indices)
    tryon.latent_error(predictor.predict(nets, indices, rows, step=1), rows).backward()
    for part in (
        nets.unet.unet.down_blocks,
        nets.unet.unet.encoder_hid_proj,
        nets.unet_encoder.unet.down_blocks,
        _first_layer(nets.text_encoder),
        _first_layer(nets.text_encoder_2),
        _first_layer(nets.image_encoder),
    ):
        silent = [name for name, weight in part.named_parameters() if weight.grad is None]
        assert not silent
        assert sum(weight.grad.abs().sum() for weight in part.parameters()) > 0


def _first_layer(encoder: nn.Module) -> nn.Module:
    return next(module for name, module in encoder.named_modules() if name.endswith("layers.0"))


def test_the_joint_phase_moves_nets_and_decoder_and_keeps_the_latents(training_set, small_vae, tmp_path):
    """One step on pixels reaches both UNets and the decoder; the encoder stays the one that made the set."""
    torch.manual_seed(0)
    codec, nets = copy.deepcopy(small_vae), tryon.Nets()
    for parameter in nets.parameters():
        nn.init.normal_(parameter, std=0.05)
    before = {
        part: _weights_of(part) for part in (codec.encoder, codec.decoder, nets.unet, nets.unet_encoder)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipe.PLANS, "finish", Plan(steps=1, batch=2, lr=1e-3))
        patch.setattr(draws, "batches", lambda draw, *plan: [default_collate([draw(0), draw(9)])])
        joint.train_jointly(nets, codec, training_set, tmp_path)
    moved = [not torch.equal(weights, _weights_of(part)) for part, weights in before.items()]
    assert moved == [False, True, True, True]


def test_a_target_is_the_person_in_the_garment(training_set):
    """Rows repeat in turn; a pixel has the full weight inside the mask and a small one outside."""
    row, pixels, weight = joint.draw_target(training_set.samples, 11)
    assert row == 3
    assert torch.equal(pixels, draws.signed(draw_person(sample(recipe.SEED + 100, 3).target)))
    painted = (weight == 1).float()
    assert weight.unique().tolist() == pytest.approx([draws.OUTSIDE_WEIGHT, 1.0])
    coarse = nn.functional.avg_pool2d(painted, 8)
    mask = training_set.tensors["mask"][3].float()
    assert ((coarse > 0.5).float() - mask).abs().mean() < 0.05


def test_an_edge_out_of_place_costs_more_than_a_shade():
    """Two pictures of the same mean error: the one with steps where there are none is the worse."""
    truth, weight = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    shade, stripes = truth + 0.5, truth.clone()
    stripes[..., ::2] = 1.0
    assert vae.picture_error(shade, truth, weight) == pytest.approx(0.5)
    assert vae.picture_error(stripes, truth, weight) == pytest.approx(0.5 + vae.EDGE_WEIGHT * 1.0)
    assert vae.picture_error(stripes, truth, 0 * weight) == 0


def test_nets_read_back_are_those_that_were_written(tmp_path):
    """Training goes on from a checkpoint folder: nets read from it and written again are the same files."""
    nets, codec = load.load_nets(CHECKPOINT)
    assert all(weight.requires_grad for weight in [*nets.parameters(), *codec.parameters()])
    save.save_nets(nets, codec, tmp_path)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        shipped = CHECKPOINT / path.relative_to(tmp_path)
        if path.suffix == ".safetensors":
            read, given = load_file(path), load_file(shipped)
            assert read.keys() == given.keys()
            assert all(torch.equal(read[name], given[name]) for name in read), path.name
        else:
            assert path.read_text() == shipped.read_text(), path.name


def _weights_of(part: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in part.parameters()])


def test_both_nets_start_with_equal_weights():
    """GarmentNet starts with TryonNet's weights for latents."""
    nets = tryon.Nets()
    tryon_weights, garment_weights = nets.unet.unet.state_dict(), nets.unet_encoder.unet.state_dict()
    assert torch.equal(garment_weights["conv_in.weight"], tryon_weights["conv_in.weight"][:, :4])
    shared = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k.weight"
    assert torch.equal(garment_weights[shared], tryon_weights[shared])


def test_the_shipped_checkpoint_is_the_recipes():
    """The shipped checkpoint has the recipe's configs and picture, and at most 12 MB of safetensors."""
    nets = tryon.Nets()
    for folder, net in (("unet", nets.unet), ("unet_encoder", nets.unet_encoder)):
        shipped = json.loads((CHECKPOINT / folder / "config.json").read_text())
        assert shipped == json.loads(json.dumps(released_config(net)))
    scheduler = json.loads((CHECKPOINT / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler == recipe.SCHEDULER
    size = json.loads((CHECKPOINT / "vitrine.json").read_text())["picture"]
    assert (size["width"], size["height"]) == recipe.PICTURE
    assert sum(path.stat().st_size for path in CHECKPOINT.rglob("*.safetensors")) <= 12_000_000
