"""The graphs of the denoise engine in ONNX: rows at different steps share a batch."""

import numpy as np
import onnx
import pytest
import torch
from vitrine_export.exporting.onnx_file import session

ROWS = 4
TIMESTEPS = np.array([958, 661, 331, 1], np.float32)


def inputs_of(network) -> dict[str, np.ndarray]:
    """Four rows, each with its own timestep, guidance and garment."""
    names = [name for name, _ in network.inputs]
    given = dict(zip(names, (t.numpy() for t in network.sample(ROWS, "least")), strict=True))
    return given | ({"timestep": TIMESTEPS} if "timestep" in given else {})


@pytest.mark.parametrize("name", ["garment", "conditioning", "unet"])
def test_four_rows_at_four_timesteps_equal_four_single_rows(denoise_onnx, name):
    """The rows are equal within 1e-5, in ONNX and in torch."""
    network, path = denoise_onnx[name]
    inputs, opened = inputs_of(network), session(path)

    def onnx_run(given):
        return opened.run(None, given)

    @torch.no_grad()
    def torch_run(given):
        return [t.numpy() for t in network.module(*(torch.from_numpy(array) for array in given.values()))]

    for run in (onnx_run, torch_run):
        singles = [run({key: array[i : i + 1] for key, array in inputs.items()}) for i in range(ROWS)]
        for together, *apart in zip(run(inputs), *singles, strict=True):
            assert np.abs(together - np.concatenate(apart)).max() < 1e-5


def test_a_row_depends_on_its_own_timestep_only(denoise_onnx):
    """Another timestep in one row changes that row and no other."""
    network, path = denoise_onnx["unet"]
    inputs, opened = inputs_of(network), session(path)
    before = opened.run(None, inputs)[0]
    moved = inputs["timestep"].copy()
    moved[2] = 700
    change = np.abs(opened.run(None, inputs | {"timestep": moved})[0] - before).max(axis=(1, 2, 3))
    assert change[2] > 1e-4
    assert np.delete(change, 2).max() < 1e-6


def test_axes_are_named_after_the_stage_tables_sizes(denoise_onnx):
    """Axis names are those of the stage table, which TensorRT's shape ranges use."""
    graph = onnx.load(denoise_onnx["unet"][1]).graph
    axes = {value.name: [d.dim_param for d in value.type.tensor_type.shape.dim] for value in graph.input}
    assert axes["latents"] == ["batch", "", "latent_height", "latent_width"]
    assert axes["garment_kv_0"][:2] == ["batch", "tokens_of_4"]
    assert axes["timestep"] == ["batch"]
