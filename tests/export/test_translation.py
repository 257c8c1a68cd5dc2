"""Our translations of operators to ONNX compute what torch does, whatever the lengths of the varying axes."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn import functional
from torch.onnx._internal.exporter import _fx_passes
from vitrine_export.exporting.network import Network
from vitrine_export.exporting.onnx_file import export
from vitrine_export.exporting.translation import _theirs

HEADS, CHANNELS = 2, 4
QKV = ((HEADS, 6, CHANNELS),) * 3  # queries, keys and values without their rows; the number of tokens varies


class Together(nn.Module):
    """Functions of the same tensors as one network with an output for each."""

    dtype = torch.float32

    def __init__(self, *functions):
        super().__init__()
        self.functions = functions

    def forward(self, *inputs):
        return tuple(function(*inputs) for function in self.functions)


def exported(tmp_path, *functions, shapes=QKV):
    """The file of these functions, and their network."""

    def sample(rows, size):
        draw = torch.Generator().manual_seed(0)
        return tuple(torch.randn(rows, *shape, generator=draw) for shape in shapes)

    network = Network(
        file="one.onnx",
        module=Together(*functions).eval(),
        inputs=tuple((f"input_{n}", ("batch", s[0], "tokens", s[2])) for n, s in enumerate(shapes)),
        outputs=tuple(f"output_{n}" for n in range(len(functions))),
        tolerance=1e-5,
        sample=sample,
    )
    export(network, tmp_path / network.file)
    return tmp_path / network.file, network


def assert_equal(path, network):
    """ONNX Runtime gives what torch does for other rows and tokens than those of the trace."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows, tokens in ((1, 1), (2, 6), (3, 11)):
        inputs = [
            torch.randn(rows, *(tokens if isinstance(d, str) else d for d in dims[1:]))
            for _, dims in network.inputs
        ]
        given = session.run(None, {f"input_{n}": tensor.numpy() for n, tensor in enumerate(inputs)})
        for one, wanted in zip(given, network.module(*inputs), strict=True):
            np.testing.assert_allclose(one, wanted.numpy(), atol=1e-5)


@pytest.fixture
def replaced(monkeypatch):
    """Counts how often a program's operators are replaced by simpler ones."""
    whole, calls = ExportedProgram.run_decompositions, []

    def counted(program, *args, **options):
        calls.append(program)
        return whole(program, *args, **options)

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)
    return calls


@pytest.fixture
def cast(monkeypatch):
    """Counts how often a program is run on shapes to insert casts."""
    whole, calls = _fx_passes.insert_type_promotion_nodes, []

    def counted(graph):
        calls.append(graph)
        whole(graph)

    monkeypatch.setattr(_fx_passes, "insert_type_promotion_nodes", counted)
    return calls


def attend(**options):
    return lambda q, k, v, *mask: functional.scaled_dot_product_attention(q, k, v, *mask, **options)


OPERATORS = (
    attend(),
    attend(scale=0.3),
    attend(is_causal=True),
    lambda q, k, v: attend()(q, k, v, q[..., :1] + k[..., :1].transpose(2, 3)),
    lambda q, k, v: attend()(q, k, v, q[..., :1] < 9 + k[..., :1].transpose(2, 3)),
    lambda x, *_: x.transpose(1, 2).flatten(2),
    lambda x, *_: x.flatten(1, 2),
    lambda x, *_: x.flatten(0, 1),
    lambda x, *_: x.flatten(),
    lambda x, *_: x.unflatten(3, (2, -1)),
    lambda x, *_: x.unflatten(1, (HEADS, 1)),
    lambda x, *_: x.unflatten(-1, (1, CHANNELS)).square().to(x),
    lambda x, *_: x.to(torch.int32).to("cpu", torch.float32),
)


def test_operators_equal_torch(tmp_path, replaced):
    """Attention with each kind of mask, joined and split axes, casts: traced once, for any lengths."""
    assert_equal(*exported(tmp_path, *OPERATORS))
    assert replaced == []


def test_attention_looks_no_shape_up(tmp_path):
    """It is two products, their scaling and a softmax; joining the heads is one node more."""
    path, _ = exported(tmp_path, lambda *qkv: attend()(*qkv).transpose(1, 2).flatten(2))
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert sorted(set(kinds) - {"CastLike"}) == ["MatMul", "Mul", "Reshape", "Softmax", "Transpose"]
    assert kinds.count("MatMul") == 2


@pytest.mark.parametrize(
    ("function", "times"),
    [
        (lambda x: functional.silu(x) * 2, 0),
        (lambda x: functional.hardshrink(x), 1),  # no translation, but simpler operators
        (lambda x: (x + 1).mul_(2), 1),  # changes its input
        (lambda x: x.movedim(1, 2), 1),  # no translation, as the exporter finds out
    ],
)
def test_operators_are_replaced_where_they_must_be(tmp_path, replaced, function, times):
    """Networks that can be translated as they are keep their operators; others are right as well."""
    path, network = exported(tmp_path, function, shapes=QKV[:1])
    assert len(replaced) == times
    assert_equal(path, network)


@pytest.mark.parametrize(
    ("function", "times"),
    [
        (lambda x: (2 * x + 1) / 4 - x**2, 0),  # a plain number has the type of what it meets
        (lambda x: torch.cat([x, x * (x > 0).to(x)], 1), 0),
        (lambda x: x * (x > 0), 1),
        (lambda x: torch.cat([x, x > 0], 1), 1),
        (lambda x: torch.arange(x.shape[2]) / 2 + x.mean((0, 1, 3)), 1),  # whole numbers become real ones
        (lambda x: x * x.shape[2], 1),  # a length is a whole number
        (lambda x: x * (x.shape[2] / 4), 0),
        (lambda x: (x.double() * (x.shape[2] / 4)).float(), 1),  # a share of a length is a float32
        (lambda x: (x > 0).sum(1), 1),
    ],
)
def test_casts_are_inserted_where_torch_makes_them(tmp_path, cast, function, times):
    """A program whose inputs have the type of the computation is not run for casts; results equal torch."""
    path, network = exported(tmp_path, function, shapes=QKV[:1])
    assert len(cast) == times
    assert_equal(path, network)


def test_an_export_does_not_change_the_next_ones_translations(tmp_path):
    """The list of torch's own translations is read once; ours are added to a copy."""
    before = {target: list(several) for target, several in _theirs(20).functions.items()}
    exported(tmp_path, *OPERATORS[-1:])
    assert _theirs(20).functions == before
