"""LoRA by row: files of every form, rows with adapters of their own in one call, and refusals."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from vitrine_export.errors import BadCheckpoint
from vitrine_export.lora import Adapter, Slots, read_adapter
from vitrine_export.lora.file import adapter_of
from vitrine_export.nets import flux
from vitrine_export.nets.dit.lora_rows import of_rows
from vitrine_export.nets.flux import FluxConfig, FluxNet
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet, rows_of, velocities

CONFIG = ZImageConfig(
    dim=48,
    n_layers=2,
    n_refiner_layers=1,
    n_heads=2,
    cap_feat_dim=32,
    axes_dims=(8, 8, 8),
    axes_lens=(256, 64, 64),
)
FLUX = FluxConfig(
    num_layers=1,
    num_single_layers=1,
    attention_head_dim=16,
    num_attention_heads=2,
    joint_attention_dim=32,
    pooled_projection_dim=24,
    axes_dims_rope=(4, 6, 6),
)
RANK = 8
DOWN, UP = ".lora_A.weight", ".lora_B.weight"


@pytest.fixture(scope="module")
def net() -> ZImageNet:
    torch.manual_seed(0)
    made = ZImageNet(CONFIG)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return made.eval()


def peft(net: ZImageNet | FluxNet, rank: int, seed: int) -> dict[str, Tensor]:
    """A PEFT file's tensors for every linear of the net."""
    draw, state = torch.Generator().manual_seed(seed), {}
    for name, linear in net.sites.linears.items():
        state[f"transformer.{name}{DOWN}"] = 0.2 * torch.randn(rank, linear.in_features, generator=draw)
        state[f"transformer.{name}{UP}"] = 0.2 * torch.randn(linear.out_features, rank, generator=draw)
    return state


def merged(net: ZImageNet, adapters: list[tuple[Adapter, float]]) -> ZImageNet:
    """A copy of the net with the adapters added to its weights: what a slot must equal."""
    made = ZImageNet(CONFIG)
    made.load_state_dict(net.state_dict())
    for adapter, strength in adapters:
        for name, pair in adapter.pairs.items():
            made.sites.linears[name].weight.data += strength * pair.up @ pair.down
    return made.eval()


@torch.no_grad()
def test_rows_with_their_own_adapters_share_a_call(net):
    """Rows with an adapter at 0.8, with two adapters and with none each equal their own merged net."""
    first, second = (adapter_of(peft(net, 4, seed), net.sites, "file") for seed in (1, 2))
    mixes = [[(first, 0.8)], [(first, 0.5), (second, 1.0)]]
    slots = Slots.of(net.sites, RANK, mixes)
    draw = torch.Generator().manual_seed(3)
    latents = [torch.randn(16, *size, generator=draw) for size in ((8, 8), (6, 10), (8, 8))]
    words = [torch.randn(n, 32, generator=draw) for n in (5, 40, 33)]
    times = torch.tensor([0.1, 0.5, 0.9])
    lora = of_rows(slots.down, slots.up, torch.tensor([1, 2, 0]))
    together = velocities(net(*rows_of(latents, words).tensors, times, lora), latents)
    plain = velocities(net(*rows_of(latents, words).tensors, times), latents)
    for row, mix in enumerate([*mixes, []]):
        rows = rows_of([latents[row]], [words[row]])
        alone = merged(net, mix)(*rows.tensors, times[row : row + 1])
        assert float((together[row] - velocities(alone, [latents[row]])[0]).abs().max()) < 1e-5
    assert float((together[0] - plain[0]).abs().max()) > 0.05


@torch.no_grad()
def test_flux_takes_adapters_by_row_too():
    """Every linear of both kinds of block takes adapters: a row equals its own merged net."""
    torch.manual_seed(0)
    net, merged_net = FluxNet(FLUX).eval(), FluxNet(FLUX).eval()
    merged_net.load_state_dict(net.state_dict())
    adapter = adapter_of(peft(net, 4, 1), net.sites, "file")
    for name, pair in adapter.pairs.items():
        merged_net.sites.linears[name].weight.data += pair.up @ pair.down
    draw = torch.Generator().manual_seed(3)
    latents = [torch.randn(16, *size, generator=draw) for size in ((8, 8), (6, 10))]
    texts = [torch.randn(n, 32, generator=draw) for n in (5, 9)]
    rows = flux.rows_of(latents, texts, torch.randn(2, 24, generator=draw))
    times = torch.tensor([0.9, 0.4])
    slots = Slots.of(net.sites, RANK, [[(adapter, 1.0)]])
    mixed = net(*rows.tensors, times, lora=of_rows(slots.down, slots.up, torch.tensor([1, 0])))
    with_it, without = merged_net(*rows.tensors, times), net(*rows.tensors, times)
    assert float((mixed[0] - with_it[0]).abs().max()) < 1e-5 * float(with_it.abs().max().clamp(min=1))
    assert float((mixed[1] - without[1]).abs().max()) < 1e-5
    assert float((with_it[0] - without[0]).abs().max()) > 0.01


def kohya(state: dict[str, Tensor]) -> dict[str, Tensor]:
    made = {}
    for key, tensor in state.items():
        name, down, _ = key.removeprefix("transformer.").partition(DOWN)
        name = name.removesuffix(UP).replace(".", "_")
        made[f"lora_unet_{name}.lora_{'down' if down else 'up'}.weight"] = tensor
        made[f"lora_unet_{name}.alpha"] = torch.tensor(4.0)
    return made


def comfy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"diffusion_model.{key.removeprefix('transformer.')}": tensor for key, tensor in state.items()}


def dotted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.replace("lora_A", "lora.down").replace("lora_B", "lora.up"): tensor
        for key, tensor in state.items()
    }


def default(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"base_model.model.{k}".replace(".weight", ".default.weight"): v for k, v in state.items()}


def old_out(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.replace("attention.to_out.0", "attention.out"): tensor for key, tensor in state.items()}


@pytest.mark.parametrize("form", [kohya, comfy, dotted, default, old_out])
def test_every_form_of_a_file_is_the_same_adapter(net, tmp_path, form):
    """Files with the keys of kohya, ComfyUI, `default` and older names equal the PEFT file."""
    state = peft(net, 4, 1)
    save_file(form(state), tmp_path / "style.safetensors")
    read, wanted = read_adapter(tmp_path / "style.safetensors", net.sites), adapter_of(state, net.sites, "")
    assert read.pairs.keys() == wanted.pairs.keys() == net.sites.linears.keys()
    for name, pair in wanted.pairs.items():
        assert torch.equal(read.pairs[name].down, pair.down)
        assert torch.equal(read.pairs[name].up, pair.up)


@pytest.mark.parametrize(
    "stem", ["diffusion_model.layers.0.attention.qkv", "lora_unet_layers_0_attention_qkv"]
)
def test_query_keys_and_values_may_be_one(net, stem):
    """A fused linear is split by its outputs, and alpha over rank scales it."""
    down, up = torch.randn(4, 48), torch.randn(3 * 48, 4)
    state = {
        f"{stem}.lora_down.weight": down,
        f"{stem}.lora_up.weight": up,
        f"{stem}.alpha": torch.tensor(2.0),
    }
    pairs = adapter_of(state, net.sites, "file").pairs
    assert list(pairs) == [f"layers.0.attention.to_{part}" for part in "qkv"]
    assert torch.equal(torch.cat([pair.up for pair in pairs.values()]), 0.5 * up)


def test_the_names_of_flux_first_code_are_known():
    """The name `single_blocks.N.linear1` is query, keys, values and feed-forward in one."""
    sites = FluxNet(FLUX).sites
    state = {
        "lora_unet_single_blocks_0_linear1.lora_down.weight": torch.randn(4, 32),
        "lora_unet_single_blocks_0_linear1.lora_up.weight": torch.randn(3 * 32 + 128, 4),
        "lora_unet_double_blocks_0_txt_attn_qkv.lora_down.weight": torch.randn(4, 32),
        "lora_unet_double_blocks_0_txt_attn_qkv.lora_up.weight": torch.randn(3 * 32, 4),
    }
    pairs = adapter_of(state, sites, "file").pairs
    assert len(pairs) == 7
    assert "single_transformer_blocks.0.proj_mlp" in pairs
    assert "transformer_blocks.0.attn.add_k_proj" in pairs


def test_the_alpha_of_diffusers_header_is_used(net, tmp_path):
    """The alpha in the header of a diffusers file is used."""
    state = peft(net, 4, 1)
    header = {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 8})}
    save_file(state, tmp_path / "style.safetensors", metadata=header)
    read, plain = read_adapter(tmp_path / "style.safetensors", net.sites), adapter_of(state, net.sites, "")
    for name, pair in plain.pairs.items():
        assert torch.equal(read.pairs[name].up, 2 * pair.up)
    header = {"lora_adapter_metadata": json.dumps({"transformer.use_rslora": True})}
    save_file(state, tmp_path / "style.safetensors", metadata=header)
    with pytest.raises(BadCheckpoint, match="use_rslora must not be set"):
        read_adapter(tmp_path / "style.safetensors", net.sites)


def test_a_file_that_fits_in_part_is_refused(net):
    """The error names the keys that fit nothing and counts them."""
    state = peft(net, 4, 1) | {"transformer.layers.9.attention.to_q.lora_A.weight": torch.zeros(4, 48)}
    with pytest.raises(BadCheckpoint, match=r"1 of \d+ keys fit no linear.*layers\.9\.attention\.to_q"):
        adapter_of(state, net.sites, "style")


def test_bad_files_are_refused(net, tmp_path):
    """Pickles, cut files, half pairs, wrong widths, NaN or infinity, and too large ranks are refused."""
    (tmp_path / "style.pt").write_bytes(b"")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    name = "transformer.layers.0.attention.to_q"
    for path, said in (("style.pt", "pickles are not read"), ("cut.safetensors", "damaged")):
        with pytest.raises(BadCheckpoint, match=said):
            read_adapter(tmp_path / path, net.sites)
    for state, said in (
        ({f"{name}{DOWN}": torch.zeros(4, 48)}, "has no up weight"),
        ({f"{name}{DOWN}": torch.zeros(4, 47), f"{name}{UP}": torch.zeros(48, 4)}, r"must be \(4, 48\)"),
        ({f"{name}{DOWN}": torch.full((4, 48), torch.nan), f"{name}{UP}": torch.zeros(48, 4)}, "finite"),
        ({}, "holds no LoRA"),
    ):
        with pytest.raises(BadCheckpoint, match=said):
            adapter_of(state, net.sites, "style")
    large = adapter_of(peft(net, RANK, 1), net.sites, "style")
    with pytest.raises(BadCheckpoint, match="rank 8, the adapters of a row need 16"):
        Slots.of(net.sites, RANK, [[(large, 1.0), (large, 1.0)]])
