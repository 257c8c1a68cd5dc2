"""The command that counts and times an adapter by row, on narrow networks."""

import json

import pytest
from vitrine_export.checkpoint.folder import Settings
from vitrine_export.command import main
from vitrine_export.nets.flux import FluxConfig, FluxNet
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet
from vitrine_measure import lora_cost

NETS = {
    "z-image": ZImageNet(ZImageConfig(dim=48, n_layers=1, n_heads=2, cap_feat_dim=32, axes_dims=(8, 8, 8))),
    "flux": FluxNet(
        FluxConfig(
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=24,
            axes_dims_rope=(4, 6, 6),
        )
    ),
}


@pytest.fixture(params=NETS)
def opened(request, monkeypatch):
    """A checkpoint of a family, of which only what the command reads is there."""

    class Opened:
        family = request.param
        settings = Settings(width=64, height=64, default_steps=1, default_guidance=0.0)

        def load(self, part):
            return NETS[self.family]

    monkeypatch.setattr(lora_cost, "open_ads", lambda folder: Opened())
    return request.param


def test_both_sides_come_from_one_run(opened, capsys):
    """Each pair of rows and rank has its counted work and its measured time; more rank is more work."""
    assert main(["lora-cost", "--rows", "1", "2", "--rank", "4", "8", "--runs", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["rows"], one["rank"]) for one in found] == [(1, 4), (1, 8), (2, 4), (2, 8)]
    assert all(one["ms"] > 0 and one["ms_lora"] > 0 for one in found)
    by_rank = [one["gflop_lora"] - one["gflop"] for one in found]
    assert by_rank[1] == pytest.approx(2 * by_rank[0])
    assert by_rank[2] == pytest.approx(2 * by_rank[0])
    assert main(["lora-cost", "--rows", "1", "--runs", "1"]) == 0
    assert f"{opened}, 64x64, one step in float32" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused(capsys):
    """The message names the option, the rule and the value."""
    assert main(["lora-cost", "--runs", "0"]) == 1
    assert "runs must be 1 or more, got 0" in capsys.readouterr().err
    assert main(["lora-cost", "--rank", "8", "0"]) == 1
    assert "rank must be 1 or more, got [8, 0]" in capsys.readouterr().err
