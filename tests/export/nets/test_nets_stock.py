"""Our pass over a UNet's steps is compared with diffusers' own forward pass."""

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from vitrine_export.nets import released_state_dict
from vitrine_export.nets.garment_unet import doubled

SIZES = [(8, 4), (10, 6)]  # the second cannot be halved twice: upsampling has to meet the skip's size


def stock(config, net):
    """A UNet of diffusers with a tiny config and the net's weights, as far as it has them."""
    ours = ("encoder_hid_dim", "encoder_hid_dim_type", "image_projection")
    unet = UNet2DConditionModel(**{key: value for key, value in config.items() if key not in ours})
    known = unet.state_dict()
    unet.load_state_dict({key: value for key, value in released_state_dict(net).items() if key in known})
    return unet.eval()


def blocks_of(unet):
    """The transformer blocks of a stock UNet in the order in which they run."""
    parts = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    attentions = [attention for part in parts for attention in getattr(part, "attentions", [])]
    return [block for attention in attentions for block in attention.transformer_blocks]


class ReleasedSelfAttention:
    """Attention over [person; garment], queries for both, the person's outputs kept."""

    def __init__(self, feature):
        self.feature = feature

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None):
        both = torch.cat([hidden_states, self.feature], dim=1)
        return scored(attention, both, attention.to_k(both), attention.to_v(both))[
            :, : hidden_states.shape[1]
        ]


class ReleasedCrossAttention:
    """Attention to the text plus attention to the image tokens, in one output projection."""

    def __init__(self, image_tokens, weights):
        self.image_tokens, self.weights = image_tokens, weights

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None):
        keys, values = self.weights.to_k_ip(self.image_tokens), self.weights.to_v_ip(self.image_tokens)
        text = attention.to_k(encoder_hidden_states), attention.to_v(encoder_hidden_states)
        return scored(attention, hidden_states, *text, (keys, values))


def scored(attention, tokens, keys, values, second=None):
    """Attention written out: every score, softmax, weighted sum."""
    total = 0
    for some_keys, some_values in [(keys, values)] + ([second] if second else []):
        query, some_keys, some_values = (
            attention.head_to_batch_dim(part) for part in (attention.to_q(tokens), some_keys, some_values)
        )
        weights = F.softmax(query @ some_keys.transpose(1, 2) * attention.scale, dim=-1)
        total = total + attention.batch_to_head_dim(weights @ some_values)
    return attention.to_out[0](total)


@pytest.mark.parametrize("size", SIZES)
def test_features_are_what_every_self_attention_of_the_stock_unet_takes(pair, size):
    """GarmentNet gives each block's norm1 output of diffusers' own pass, in execution order."""
    without = {"addition_embed_type": None, "in_channels": 4}
    unet, seen, job = stock({**pair.config, **without}, pair.garment), [], pair.job(2, size=size)
    for block in blocks_of(unet):
        block.norm1.register_forward_hook(lambda module, inputs, output: seen.append(output))
    timesteps = torch.tensor([958.0, 34.0])
    with torch.no_grad():
        unet(job.garment, timesteps, job.garment_prompt)
    ours = pair.garment(job.garment, timesteps, job.garment_prompt)
    assert len(ours) == len(seen)
    for feature, expected in zip(ours, seen, strict=True):
        torch.testing.assert_close(feature, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_tryonnet_is_the_stock_unet_with_the_released_attentions(pair, size):
    """Processors that spell out the released attention, in diffusers' own pass, give the same prediction."""
    job, timesteps = pair.job(1, size=size), torch.tensor([331.0, 331.0])
    features = doubled(pair.garment(job.garment, timesteps[:1], job.garment_prompt))
    unet, sample = stock(pair.config, pair.tryon), job.sample(torch.randn(1, 4, *size))
    text, tokens, pooled = (part.flatten(0, 1) for part in (job.text, job.image_tokens, job.pooled))
    time_ids = job.time_ids.repeat(2, 1)
    for block, site in zip(blocks_of(unet), pair.tryon.sites, strict=True):
        block.attn1.processor = ReleasedSelfAttention(features[site.index])
        block.attn2.processor = ReleasedCrossAttention(tokens, site.block.attn2.processor)
    with torch.no_grad():
        added = {"text_embeds": pooled, "time_ids": time_ids}
        expected = unet(sample, timesteps, text, added_cond_kwargs=added).sample
    for queries in ("all", "person"):
        ours = pair.tryon(sample, timesteps, text, tokens, pooled, time_ids, features, queries=queries)
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_levels_count_token_counts_from_the_finest(pair):
    """Blocks with as many tokens share a level, and level 0 has the most."""
    job = pair.job(1, size=(16, 8))
    features = pair.garment(job.garment, torch.ones(1), job.garment_prompt)
    counts = {
        site.level: feature.shape[1] for site, feature in zip(pair.garment.sites, features, strict=True)
    }
    assert [counts[level] for level in range(pair.tryon.levels)] == sorted(set(counts.values()), reverse=True)
    kv = pair.tryon.garment_kv(features)
    assert [part.shape[1] for part in kv] == list(dict(sorted(counts.items())).values())
