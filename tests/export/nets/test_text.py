"""The text encoders, cut to the layers that are read, are compared with transformers' own models."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, Qwen3Config, Qwen3Model, T5Config, T5EncoderModel
from vitrine_export.nets.text import ClipPooled, Qwen3Features, T5Text, clip, qwen3, t5

WORDS = 90


def filled(net: torch.nn.Module, state: dict[str, torch.Tensor], name_in_net) -> torch.nn.Module:
    """The net with a model's weights, which must all fit and be complete."""
    named = {name_in_net(key): tensor for key, tensor in state.items()}
    named.pop(None, None)
    net.load_state_dict(named)
    return net.eval()


@torch.no_grad()
def test_qwen3_stops_before_its_last_layer():
    """The output equals `hidden_states[-2]` at natural length, whatever pads a row on its right."""
    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    config = Qwen3Config(vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=3, **heads)
    model = Qwen3Model(config).eval()
    net = filled(Qwen3Features(config), model.state_dict(), partial(qwen3.name_in_net, layers=3))
    ids = torch.randint(0, WORDS, (2, 20))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    theirs = model(ids, attention_mask=mask, output_hidden_states=True).hidden_states[-2]
    ours = net(ids)
    assert torch.allclose(ours[0], theirs[0], atol=1e-5)
    assert torch.allclose(ours[1, :12], theirs[1, :12], atol=1e-5)
    assert torch.allclose(net(ids[1:, :12])[0], ours[1, :12], atol=1e-5)


@pytest.mark.parametrize("end", [2, 88])
@torch.no_grad()
def test_clip_is_pooled_at_the_prompts_end(end):
    """CLIP is pooled at a row's first end token, or at the highest id where the config has the old 2."""
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        eos_token_id=end,
    )
    model = CLIPTextModel(config).eval()
    net = filled(ClipPooled(config), model.state_dict(), clip.name_in_net)
    ids = torch.randint(3, 80, (2, 77))
    for row, length in enumerate((9, 40)):
        ids[row, length:] = 88
    assert torch.allclose(net(ids), model(ids).pooler_output, atol=1e-5)


@torch.no_grad()
def test_t5_reads_its_padding():
    """T5 attends to padding, since the released pipeline passes no mask either."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=WORDS,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    model = T5EncoderModel(config).eval()
    net = T5Text(config).eval()
    named = {t5.name_in_net(key): tensor for key, tensor in model.state_dict().items()}
    net.stack.load_state_dict(named)
    ids = torch.randint(1, WORDS, (2, 30))
    ids[0, 7:] = 0
    assert torch.allclose(net(ids), model(ids).last_hidden_state, atol=1e-5)
