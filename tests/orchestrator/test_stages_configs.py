"""The stage table, and the configs derived from it."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
from vitrine_orchestrator.configs import config_path, config_pbtxt, has_ranges, profiles, write
from vitrine_orchestrator.stages import STAGES, Size, networks, numpy_dtype, sizes, stage, stages_of

REPOSITORY = Path(__file__).parents[2] / "model_repository"
CONFIGS = [(row, profile) for row in STAGES for profile in profiles(row)]
RANGED = [row for row in networks() if has_ranges(row)]
NAMES = [f"{row.name}-{profile}" for row, profile in CONFIGS]


@pytest.mark.parametrize(("row", "profile"), CONFIGS, ids=NAMES)
def test_a_checked_in_config_equals_its_derivation(row, profile):
    """Each config equals what `python -m vitrine_orchestrator.configs` writes."""
    assert (REPOSITORY / config_path(row, profile)).read_text() == config_pbtxt(row, profile)


@pytest.mark.parametrize(("row", "profile"), CONFIGS, ids=NAMES)
def test_triton_can_parse_a_config(row, profile):
    """Triton's own message accepts every field and holds the row's tensors."""
    config = text_format.Parse(config_pbtxt(row, profile), ModelConfig())
    assert [tensor.name for tensor in config.input] == [tensor.name for tensor in row.inputs]
    assert [tensor.name for tensor in config.output] == [tensor.name for tensor in row.outputs]


def test_every_config_in_the_repository_belongs_to_a_row():
    """A removed stage or profile leaves no file behind."""
    found = {path.relative_to(REPOSITORY) for path in REPOSITORY.glob("**/*.pbtxt")}
    assert found == {config_path(row, profile) for row, profile in CONFIGS}


def test_writing_again_changes_nothing(tmp_path):
    """The command reports only files that changed."""
    assert len(write(tmp_path)) == len(CONFIGS)
    assert write(tmp_path) == []


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.name)
def test_every_queue_is_bounded_unless_calls_would_wait_for_it(row):
    """A pipeline's queue has a size, a time limit and priorities; what pipelines call has nothing of it."""
    for profile in profiles(row):
        config = text_format.Parse(config_pbtxt(row, profile), ModelConfig())
        batching = config.dynamic_batching
        if row.backend == "python" and not row.waits_in_process:
            assert 0 < batching.default_queue_policy.max_queue_size <= 128
            assert batching.default_queue_policy.default_timeout_microseconds > 0
            assert batching.priority_levels == 3
        else:  # see test_calls_that_come_together_wait_for_no_timer
            assert not batching.HasField("default_queue_policy")
            assert batching.priority_levels == 0
            assert config.HasField("dynamic_batching") == (row.backend == "onnxruntime")


@pytest.mark.parametrize("row", RANGED, ids=lambda row: row.name)
def test_every_network_is_warmed_with_a_batch_of_one(row):
    """The warm-up has a batch of one, since Triton silently skips a batch of 0."""
    config = text_format.Parse(config_pbtxt(row, "cpu"), ModelConfig())
    (warmup,) = config.model_warmup
    assert warmup.batch_size == 1
    assert set(warmup.inputs) == {tensor.name for tensor in row.inputs}
    assert all(min(given.dims) > 0 for given in warmup.inputs.values())


@pytest.mark.parametrize("row", RANGED, ids=lambda row: row.name)
def test_tensorrt_gets_shapes_for_every_input(row):
    """Each input has least, usual and most shapes, with the batch first."""
    config = text_format.Parse(config_pbtxt(row, "tensorrt"), ModelConfig())
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    for which, batch in (("min", 1), ("opt", 1), ("max", row.max_batch)):
        shapes = dict(
            one.split(":") for one in accelerator.parameters[f"trt_profile_{which}_shapes"].split(",")
        )
        assert shapes.keys() == {tensor.name for tensor in row.inputs}
        assert all(shape.startswith(f"{batch}x") for shape in shapes.values())


def test_a_network_of_unknown_size_has_neither():
    """An adopted file may take one size only: another one at the warm-up would stop its model."""
    (row,) = [row for row in networks() if not has_ranges(row)]
    assert row.name == "cut_out_network"
    config = text_format.Parse(config_pbtxt(row, "tensorrt"), ModelConfig())
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert not config.model_warmup
    assert not [name for name in accelerator.parameters if "profile" in name]


FAMILIES = dict.fromkeys(family for row in STAGES for family in row.families)
SIZES = [size for family in FAMILIES for size in sizes(family).values()]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_size_lies_within_its_bounds(size):
    """The sizes of the small and the released checkpoint are within what engines are built for."""
    assert size.least <= size.small <= size.most
    assert size.least <= size.usual <= size.most


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_one_size_a_name_only(family):
    """Axes of exported files are found by the name of their size."""
    tensors = [tensor for row in stages_of(family) for tensor in (*row.inputs, *row.outputs)]
    found = {dim for tensor in tensors for dim in tensor.dims if isinstance(dim, Size)}
    assert len({size.name for size in found}) == len(found)


def test_names_are_unique():
    """Stage names are unique, and so are tensor names within a stage."""
    assert len({row.name for row in STAGES}) == len(STAGES)
    for row in STAGES:
        for tensors in (row.inputs, row.outputs):
            assert len({tensor.name for tensor in tensors}) == len(tensors)


def test_a_row_has_numpy_dtypes():
    """Strings are object arrays of bytes, as in tritonclient."""
    assert numpy_dtype(stage("try_on").outputs[0]) == np.dtype(object)
    assert numpy_dtype(stage("pose").inputs[0]) == np.dtype(np.float32)
