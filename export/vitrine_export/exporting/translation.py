"""How the operators of our networks become ONNX where torch's exporter does it at length.

The exporter traces a network, then traces the result once more to replace the operators that it cannot
translate by simpler ones, and then runs the result on shapes to insert the casts that torch makes unasked.
Both take more than half of its time. With the translations here our networks have no such operator and no
such cast. It also reads the list of its own translations anew for each network, which takes a second.
torch 2.13.0, `torch/onnx/_internal/exporter/_core.py` and `_compat.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20 as op
from onnxscript.function_libs.torch_lib.ops.core import aten_flatten, aten_unflatten
from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.onnx import OnnxExporterError
from torch.onnx._internal.exporter import _fx_passes
from torch.onnx._internal.exporter._registration import ONNXRegistry
from torch.onnx._internal.fx.passes.type_promotion import TypePromotionTable, get_type_promotion_rule
from torch.onnx._internal.fx.type_utils import from_scalar_type_to_torch_dtype, is_torch_symbolic_type
from torch.utils._pytree import tree_leaves

Value = Any
"""A value of the graph, while ONNX Script notes the nodes that a function calls."""


def cast(value: Value, dtype: int, non_blocking: bool = False, copy: bool = False) -> Value:
    """`Tensor.to(dtype)`; `dtype` is ONNX's number of it."""
    return op.Cast(value, to=dtype)


def cast_on(
    value: Value, device: object, dtype: int, non_blocking: bool = False, copy: bool = False
) -> Value:
    """`Tensor.to(device, dtype)`; a graph knows no devices."""
    return op.Cast(value, to=dtype)


def square(value: Value) -> Value:
    """`Tensor.square`."""
    return op.Mul(value, value)


def flatten(value: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """`Tensor.flatten`, without a look at the shape if the axes after the joined ones have fixed lengths."""
    rank = len(value.shape)
    after = value.shape[end_dim % rank + 1 :]
    if not _are_fixed(after):
        return aten_flatten(value, start_dim, end_dim)
    return _reshaped(value, start_dim % rank, [-1, *after])


def unflatten(value: Value, dim: int, sizes: Sequence[Value]) -> Value:
    """`Tensor.unflatten`, without a look at the shape if the lengths from `dim` on are fixed."""
    rank = len(value.shape)
    after = value.shape[dim % rank + 1 :]
    if not _are_fixed([*sizes, *after]):
        return aten_unflatten(value, dim, sizes)
    return _reshaped(value, dim % rank, [*sizes, *after])


def _are_fixed(lengths: Iterable[Any]) -> bool:
    return all(isinstance(length, int) for length in lengths)


def _reshaped(value: Value, kept: int, lengths: Sequence[int]) -> Value:
    """Keep the first axes, whatever their lengths, and give the others these; one may be -1."""
    return op.Reshape(value, op.Constant(value_ints=[0] * kept + list(lengths)))


def attention(
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """softmax(query · keyᵀ · scale + attn_mask) · value; all are (rows, heads, tokens, channels).

    The exporter's own translation takes the shapes of queries and keys apart: fifteen nodes more, none of
    which the runtime can join. It is used for causal attention, masks of truth values, shared heads and
    scales other than 1 / √channels. As there, queries and keys are each multiplied by the root of the scale,
    so that float16 holds their product.
    """
    masked = attn_mask is not None and attn_mask.dtype == ir.DataType.BOOL
    if masked or dropout_p or is_causal or scale is not None or enable_gqa:
        return aten_scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
        )
    root = op.CastLike(op.Constant(value_float=math.sqrt(query.shape[-1] ** -0.5)), query)
    scores = op.MatMul(op.Mul(query, root), op.Mul(op.Transpose(key, perm=[0, 1, 3, 2]), root))
    if attn_mask is not None:
        scores = op.Add(scores, attn_mask)
    return op.MatMul(op.Softmax(scores, axis=-1), value)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.to.dtype: cast,
    torch.ops.aten.to.device: cast_on,
    torch.ops.aten.square.default: square,
    torch.ops.aten.flatten.using_ints: flatten,
    torch.ops.aten.unflatten.int: unflatten,
    torch.ops.aten.scaled_dot_product_attention.default: attention,
}


def translated(export: Callable[[], torch.onnx.ONNXProgram]) -> torch.onnx.ONNXProgram:
    """Return what `export` returns, a call of `torch.onnx.export`: traced once where it can be."""
    with _replaced(ONNXRegistry, "from_torchlib", staticmethod(_registry)):
        try:
            with _traced_once():
                return export()
        except OnnxExporterError:  # an operator has no translation
            return export()


@contextmanager
def _replaced(owner: Any, name: str, ours: Any) -> Iterator[None]:
    """Put `ours` in the place of an attribute until the block ends."""
    theirs = vars(owner)[name]
    setattr(owner, name, ours)
    try:
        yield
    finally:
        setattr(owner, name, theirs)


_theirs = cache(ONNXRegistry.from_torchlib)


def _registry(opset_version: int) -> ONNXRegistry:
    """A registry of torch's own translations, to which an export may add its own."""
    theirs, registry = _theirs(opset_version), ONNXRegistry()
    registry._opset_version = opset_version
    registry.functions = {target: list(several) for target, several in theirs.functions.items()}
    return registry


@contextmanager
def _traced_once() -> Iterator[None]:
    """Leave out the second trace and the run for casts where neither would change the program."""
    replace, insert_casts = ExportedProgram.run_decompositions, _fx_passes.insert_type_promotion_nodes

    def replace_if_needed(program: ExportedProgram, table: Any = None, **options: Any) -> ExportedProgram:
        if any(_is_replaced(node.target, table) for node in program.graph.nodes):
            return replace(program, table, **options)
        return program

    def insert_casts_if_needed(graph: GraphModule) -> None:
        table = TypePromotionTable()
        if any(_has_casts(node, table) for module in graph.modules() for node in module.graph.nodes):
            insert_casts(graph)

    with (
        _replaced(ExportedProgram, "run_decompositions", replace_if_needed),
        _replaced(_fx_passes, "insert_type_promotion_nodes", insert_casts_if_needed),
    ):
        yield


def _is_replaced(target: Any, table: Any) -> bool:
    schema = getattr(target, "_schema", None)
    return schema is not None and (target in table or schema.is_mutable)


def _has_casts(node: Node, table: TypePromotionTable) -> bool:
    """Whether torch computes with another dtype than that of an input; a plain number takes any dtype."""
    rule = get_type_promotion_rule(node, table)
    if rule is None:
        return False
    args, kwargs = map_arg((node.args, dict(node.kwargs)), lambda given: given.meta["val"])
    told = rule.preview_type_promotion(args, kwargs)
    inputs = [(args[at], dtype) for at, dtype in told.args_dtypes.items()]
    inputs += [(kwargs[name], dtype) for name, dtype in told.kwargs_dtypes.items()]
    return any(_is_cast(one, dtype) for several, dtype in inputs for one in tree_leaves(several))


def _is_cast(given: Any, dtype: torch.dtype) -> bool:
    if is_torch_symbolic_type(given):  # a computed length or share, whose type is fixed
        return from_scalar_type_to_torch_dtype(type(given)) != dtype
    return isinstance(given, torch.Tensor) and given.dtype != dtype
