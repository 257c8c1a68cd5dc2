"""The exact savings: the fast form computes what the plain form computes."""

import pytest
import torch
import torch.nn.functional as F
from vitrine_export.nets.attention import mix, mix_with_zeros
from vitrine_export.nets.step_forms import FORMS

TIMESTEPS = torch.tensor([958.0, 625.0, 331.0, 1.0])
CLOSE = {"atol": 1e-5, "rtol": 0}


@pytest.mark.parametrize("halves", [1, 2])
def test_fast_equals_plain(pair, halves):
    """With guidance and without, cached keys and values and closed forms change nothing."""
    job, latents = pair.job(2, halves), torch.randn(2, 4, 8, 4)
    plain, fast = (
        FORMS[form](pair.tryon, pair.garment, job)(latents, TIMESTEPS[:2]) for form in ("plain", "fast")
    )
    assert plain.shape == (2 * halves, 4, 8, 4)
    torch.testing.assert_close(fast, plain, **CLOSE)


@pytest.mark.parametrize("form", FORMS)
def test_each_row_is_at_its_own_timestep(pair, form):
    """A batch of four with four timesteps equals four single rows."""
    job, latents = pair.job(4), torch.randn(4, 4, 8, 4)
    together = FORMS[form](pair.tryon, pair.garment, job)(latents, TIMESTEPS).unflatten(0, (2, 4))
    for row in range(4):
        alone = FORMS[form](pair.tryon, pair.garment, pair.row_of(job, row))
        single = alone(latents[row : row + 1], TIMESTEPS[row : row + 1])
        torch.testing.assert_close(together[:, row], single, **CLOSE)


def test_zero_tokens_in_closed_form_equal_zero_tokens():
    """One zero key weighted by M equals M zero keys: out = mix · sigmoid(lse − ln M)."""
    query, keys, values = (torch.randn(2, 12, 8) for _ in range(3))
    zeros = torch.zeros_like(keys)
    spelled = mix(query, torch.cat([keys, zeros], 1), torch.cat([values, zeros], 1), heads=1)
    torch.testing.assert_close(mix_with_zeros(query, keys, values, heads=1), spelled, **CLOSE)
    excess = (query @ keys.transpose(1, 2) / 8**0.5).logsumexp(-1, keepdim=True) - torch.tensor(12.0).log()
    torch.testing.assert_close(mix(query, keys, values, heads=1) * F.sigmoid(excess), spelled, **CLOSE)


def test_dropping_the_zero_tokens_is_wrong(pair):
    """Without the zero tokens the unconditional half differs, since they dilute attention."""
    query, keys, values = (torch.randn(2, 12, 8) for _ in range(3))
    apart = mix(query, keys, values, heads=1) - mix_with_zeros(query, keys, values, heads=1)
    assert apart.abs().max() > 0.1


def test_zero_features_make_the_unconditional_row(pair):
    """A row without a garment equals the unconditional half: zero features, tokens included."""
    job, latents = pair.job(1), torch.randn(1, 4, 8, 4)
    uncond = FORMS["fast"](pair.tryon, pair.garment, job)(latents, TIMESTEPS[:1])[:1]
    features = pair.garment(job.garment, TIMESTEPS[:1], job.garment_prompt)
    row = (job.text[0], job.image_tokens[0], job.pooled[0], job.time_ids)
    sample = job.sample(latents)[:1]
    ours = pair.tryon(sample, TIMESTEPS[:1], *row, [feature * 0 for feature in features])
    torch.testing.assert_close(ours, uncond, **CLOSE)


def test_every_weight_of_tryonnet_learns(flat_pair):
    """Gradients of a loss on the prediction reach every weight, the image projection included."""
    tryon = flat_pair.tryon.requires_grad_(True)
    try:
        job = flat_pair.job(2, halves=1)
        features = flat_pair.garment(job.garment, TIMESTEPS[:2], job.garment_prompt)
        row = (job.text[0], job.image_tokens[0], job.pooled[0], job.time_ids)
        tryon(job.sample(torch.randn(2, 4, 8, 4)), TIMESTEPS[:2], *row, features).square().mean().backward()
        assert [name for name, parameter in tryon.named_parameters() if parameter.grad is None] == []
    finally:
        tryon.requires_grad_(False).zero_grad()
