"""Writes Triton's config.pbtxt files from the stage table: `python -m vitrine_orchestrator.configs`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args

from vitrine_orchestrator.stages import NETWORK_FILE, STAGES, Dim, Network, Service, Stage, Tensor

Profile = Literal["cpu", "cuda", "tensorrt"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

HEADER = """\
# Derived from the stage table: change orchestrator/vitrine_orchestrator/stages/, then run
# python -m vitrine_orchestrator.configs
"""


def profiles(stage: Stage) -> tuple[Profile, ...]:
    """The profiles with their own config; for the others Triton uses the default, which is the CPU's."""
    return PROFILES if stage.on_gpu else ("cpu",)


def config_path(stage: Stage, profile: Profile) -> Path:
    """The path of the config in a model repository. The CPU profile is the default one."""
    inside = Path("config.pbtxt") if profile == "cpu" else Path("configs") / f"{profile}.pbtxt"
    return Path(stage.name) / inside


def config_pbtxt(stage: Stage, profile: Profile) -> str:
    """The whole config.pbtxt of one stage for one profile."""
    device = "GPU" if stage.on_gpu and profile != "cpu" else "CPU"
    lines = [
        f'name: "{stage.name}"',
        f'backend: "{stage.backend}"',
        f"max_batch_size: {stage.max_batch}",
        *_tensors("input", stage.inputs),
        *_tensors("output", stage.outputs),
        *_queue(stage),
        f"instance_group [ {{ count: 1 kind: KIND_{device} }} ]",
        f"version_policy {{ {_versions(stage)} }}",
    ]
    if stage.decoupled:
        lines.append("model_transaction_policy { decoupled: true }")
    match stage.runs:
        case Network():
            lines += _network(stage, stage.runs, profile)
        case Service():
            lines += _python(stage, stage.runs, profile)
    return HEADER + "\n".join(lines) + "\n"


def _tensors(kind: str, tensors: tuple[Tensor, ...]) -> list[str]:
    rows = []
    for tensor in tensors:
        dims = ", ".join(str(d) if isinstance(d, int) else "-1" for d in tensor.dims)
        optional = " optional: true" if tensor.optional else ""
        rows.append(
            f'  {{ name: "{tensor.name}" data_type: TYPE_{tensor.dtype} dims: [ {dims} ]{optional} }}'
        )
    return [f"{kind} [", ",\n".join(rows), "]"]


def _queue(stage: Stage) -> list[str]:
    """The queue. Priority 1 goes first, 2 is the default, 3 is for work in the background.

    What limits a queue (size, time, priority) makes Triton hand on a request only while the model waits for
    one. A request that comes in another moment is looked at when the next one comes, or after half a second.
    So the models that pipelines call many times have no limits of Triton: see docs/decisions.md, "Serving".
    """
    match stage.runs:
        case Network():
            return [f"dynamic_batching {{ max_queue_delay_microseconds: {stage.queue.delay_us} }}"]
        case Service(own_queue=True):
            return []
    return [
        "dynamic_batching {",
        "  priority_levels: 3",
        "  default_priority_level: 2",
        "  default_queue_policy {",
        f"    max_queue_size: {stage.queue.size}",
        f"    default_timeout_microseconds: {stage.queue.timeout_us}",
        "    allow_timeout_override: true",
        "  }",
        "}",
    ]


def _versions(stage: Stage) -> str:
    """The versions to load: those of a release and of the one before it.

    Releases of several families share versions of one model: then every version is loaded, because the newest
    two may be of one family. `vitrine-export withdraw` removes the versions that no release needs.
    """
    shared = len(stage.families) > 1 and not stage.of_release
    return "all { }" if shared else "latest { num_versions: 2 }"


def parameter(key: str, value: str) -> str:
    """One parameter of a config, which the model is given as a string."""
    return f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'


def _python(stage: Stage, runs: Service, profile: Profile) -> list[str]:
    lines = [parameter("in_flight", str(runs.in_flight))]
    if stage.on_gpu:
        lines.append(parameter("provider", profile))
    return lines


def _network(stage: Stage, runs: Network, profile: Profile) -> list[str]:
    lines = [f'default_model_filename: "{NETWORK_FILE}"', *(_warm_up(stage) if has_ranges(stage) else [])]
    if profile == "cpu":
        ways = {"in_turn": runs.in_turn, "row_by_row": runs.row_by_row}
        asked = [parameter(name, "1") for name, way in ways.items() if way]
        return [*lines, parameter("intra_op_thread_count", "0"), *asked]
    if profile == "tensorrt":
        return [*lines, *_tensorrt(stage)]
    return lines


def has_ranges(stage: Stage) -> bool:
    """Whether the table knows the sizes of the inputs; else they are those of the adopted file."""
    return -1 not in {dim for tensor in stage.inputs for dim in tensor.dims}


def _warm_up(stage: Stage) -> list[str]:
    inputs = [
        f'  inputs {{ key: "{tensor.name}" value {{ data_type: TYPE_{tensor.dtype} '
        f"dims: [ {', '.join(str(_of(d, 'small')) for d in tensor.dims)} ] zero_data: true }} }}"
        for tensor in stage.inputs
    ]
    return ["model_warmup [ {", '  name: "one"', "  batch_size: 1", *inputs, "} ]"]


def _tensorrt(stage: Stage) -> list[str]:
    """ONNX Runtime's TensorRT provider; precision is in the graph, engines are kept next to the model."""
    options = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
    ranges = (("min", "least", 1), ("opt", "usual", 1), ("max", "most", stage.max_batch))
    for option, size, batch in ranges if has_ranges(stage) else ():
        shapes = (
            f"{t.name}:" + "x".join(str(n) for n in (batch, *(_of(d, size) for d in t.dims)))
            for t in stage.inputs
        )
        options[f"trt_profile_{option}_shapes"] = ",".join(shapes)
    rows = [f'      parameters {{ key: "{key}" value: "{value}" }}' for key, value in options.items()]
    return [
        "optimization {",
        "  execution_accelerators {",
        '    gpu_execution_accelerator [ { name: "tensorrt"',
        *rows,
        "    } ]",
        "  }",
        "}",
    ]


def _of(dim: Dim, which: str) -> int:
    return dim if isinstance(dim, int) else getattr(dim, which)


def write(repository: Path) -> list[Path]:
    """Write every config under `repository`; return the files that changed."""
    changed = []
    for stage in STAGES:
        for profile in profiles(stage):
            path, text = repository / config_path(stage, profile), config_pbtxt(stage, profile)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                changed.append(path)
    return changed


def main() -> None:
    """Write the configs of the repository named on the command line, and print those that changed."""
    parser = argparse.ArgumentParser(
        prog="python -m vitrine_orchestrator.configs",
        description="Writes every config.pbtxt of a model repository from the stage table.",
    )
    parser.add_argument(
        "repository",
        nargs="?",
        type=Path,
        default=Path("model_repository"),
        metavar="REPOSITORY",
        help="folder of the models (default: %(default)s)",
    )
    for path in write(parser.parse_args().repository):
        print(path)


if __name__ == "__main__":
    main()
