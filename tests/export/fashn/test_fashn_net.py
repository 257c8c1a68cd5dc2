"""FASHN VTON's network: sizes, names, batching, and its fast form compared with the published one."""

import pytest
import torch
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.fashn import graphs_of
from vitrine_export.exporting.onnx_file import write
from vitrine_export.nets.fashn import FashnConfig, FashnNet

SMALL = FashnConfig(
    height=36, width=24, hidden=32, heads=2, axes=(4, 6, 6), mixers=1, double_blocks=1, single_blocks=2
)
EXACT = 2e-5  # float32, in another order of summing


@pytest.fixture(scope="module")
def net():
    """A small network whose weights, norms and biases are all random."""
    torch.manual_seed(0)
    made = FashnNet(SMALL).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


@pytest.fixture(scope="module")
def rows():
    """Inputs of four rows: their own times, categories and pictures; the last one is unconditional."""
    draw = torch.Generator().manual_seed(1)
    pictures = [torch.rand(4, c, 36, 24, generator=draw) * 2 - 1 for c in (3, 3, 1, 3, 1)]
    for picture in pictures[1:]:
        picture[3] = 0
    return pictures[0], torch.tensor([0.0, 0.3, 0.7, 0.7]), *pictures[1:], torch.tensor([1, 2, 3, 0])


def test_the_default_config_has_the_released_size():
    """The default net has 971 813 808 parameters in 366 tensors, the unused patch mixer token included."""
    with torch.device("meta"):
        net = FashnNet(FashnConfig())
    assert sum(parameter.numel() for parameter in net.parameters()) == 971_813_808
    assert len(net.state_dict()) == 366


@torch.no_grad()
def test_batched_rows_equal_single_rows(net, rows):
    """A row's velocity does not depend on the rows that share its call."""
    together = net(*rows)
    for row in range(4):
        alone = net(*(tensor[row : row + 1] for tensor in rows))
        torch.testing.assert_close(together[row : row + 1], alone, atol=EXACT, rtol=0)


@torch.no_grad()
def test_the_fast_form_equals_the_published_one(net, rows):
    """Tokens computed once a job, shared modulations and a trimmed last block change nothing."""
    state, times, *pictures, categories = rows
    fast = net.step(state, *net.fixed_tokens(*pictures), net.modulations(times, categories))
    torch.testing.assert_close(fast, net(*rows), atol=EXACT, rtol=0)


@pytest.mark.parametrize("number", range(3))
def test_each_exported_graph_equals_torch(net, tmp_path, number):
    """`write` keeps a file only if onnxruntime gives what torch gives, for one row and for two."""
    network = graphs_of(net)[number]
    assert write("denoise_fashn", network, tmp_path).worst < 1e-4
    assert (tmp_path / network.file).is_file()


def test_sizes_are_read_from_the_weights(net):
    """Depths and widths are read from the weights; canvas, heads and axes must be given."""
    known = {"height": 36, "width": 24, "heads": 2, "axes": (4, 6, 6)}
    assert FashnConfig.from_weights(net.state_dict(), **known) == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 37}, "canvas must be a multiple of patch 12, got 24x37"),
        ({"heads": 3}, "hidden_size must be a multiple of n_heads 3, got 32"),
        ({"axes": (4, 6, 8)}, "axes_dim must be three even numbers of sum 16"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused(change, message):
    """The message names the rule and the value."""
    with pytest.raises(BadCheckpoint, match=message):
        FashnConfig(**({"height": 36, "width": 24, "hidden": 32, "heads": 2, "axes": (4, 6, 6)} | change))


def test_unknown_config_keys_are_refused():
    """Unknown keys are refused, since a newer config may compute something else."""
    with pytest.raises(BadCheckpoint, match="unknown config keys \\['guidance_embed'\\]"):
        FashnConfig.from_released({"guidance_embed": True})


def test_weights_that_do_not_fit_are_named(net):
    """Missing, unknown and misshapen keys are reported separately."""
    state = dict(net.state_dict())
    del state["y_embedder.weight"]
    with pytest.raises(BadCheckpoint, match=r"missing weights: y_embedder.weight"):
        FashnNet.from_released(SMALL, state)
