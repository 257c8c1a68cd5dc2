"""A backend named `onnxruntime`, for Triton servers that come without NVIDIA's: it runs a model's ONNX file.

It reads the same configs: `default_model_filename`, `intra_op_thread_count`, `inter_op_thread_count`,
`instance_group` (CPU, GPU) and the `tensorrt` execution accelerator.

On the CPU the rows of a call are divided among the threads, and each thread computes its rows from end to end
(see cores/row_split.py), pictures one after the other. All threads compute a call together if it has fewer
rows than threads. With the parameter `row_by_row` all threads compute one row after the other. With `in_turn`
a network and the denoiser take turns (cores/turn_lock.py), and requests of any shapes share a turn
(cores/turn_queue.py). With a memory budget the process gives back what it does not use when it is asked: see
residency/resting.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from vitrine.errors import VitrineError
from vitrine_orchestrator.adapters.sending import error_response, send_error, send_last
from vitrine_orchestrator.cores.row_split import Lanes, cores
from vitrine_orchestrator.cores.turn_lock import open_turn_lock
from vitrine_orchestrator.cores.turn_queue import TurnQueue
from vitrine_orchestrator.engine.prepared_graphs import open_prepared_graphs
from vitrine_orchestrator.engine.refusals import failed, refused
from vitrine_orchestrator.residency.resting import has_budget, keep_heap, rest_when_asked

Arrays = dict[str, np.ndarray]
Answer = Arrays | VitrineError

PICTURE_DIMS = 3
"""Dimensions of a row that is a picture or its latents. One of them keeps a core busy; several in one call
take no less time for each, and as many times the memory (docs/residency.md)."""


@dataclass(frozen=True)
class Waiting:
    """A request that waits for the network's turn: what its answer needs."""

    feed: Arrays
    sender: Any
    outputs: list[str]


class TritonPythonModel:
    """One instance of one model: batches every request of an execute into one run."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Open the network; `args` are Triton's strings."""
        self.config = json.loads(args["model_config"])
        self.batched = self.config["max_batch_size"] > 0
        folder = Path(args["model_repository"]) / args["model_version"]
        path = folder / (self.config["default_model_filename"] or "model.onnx")
        if not path.exists():
            raise pb_utils.TritonModelException(f"{path.name} is missing: run make export")
        providers = _providers(
            self.config, args["model_instance_kind"], int(args["model_instance_device_id"])
        )
        threads = _threads(self.config)
        graphs = open_prepared_graphs()
        rests = args["model_instance_kind"] == "CPU" and has_budget()
        if rests:
            keep_heap()
        self.session = graphs.open(path, _options(self.config, threads, arena=not rests), providers)
        self.row_by_row = self.batched and bool(_parameter(self.config, "row_by_row"))
        split = self.batched and args["model_instance_kind"] == "CPU" and not self.row_by_row
        self.lanes = Lanes(threads if split else 1)
        if self.lanes.count > 1:
            self.lane_session = graphs.open(path, _options(self.config, 1, arena=not rests), providers)
        self.inputs = [tensor["name"] for tensor in self.config["input"]]
        self.outputs = [tensor["name"] for tensor in self.config["output"]]
        self.pictures = all(len(tensor["dims"]) >= PICTURE_DIMS for tensor in self.config["input"])
        in_turn = _parameter(self.config, "in_turn") and self.lanes.count > 1
        self.queue = TurnQueue(self._turn, open_turn_lock(), self.lanes.count) if in_turn else None
        if rests:
            rest_when_asked(self.config["name"])

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response for each request, in order, or later; a failed request does not change the others."""
        if self.queue:
            return [self._wait(self.queue, request) for request in requests]
        feeds = [{name: _input(request, name) for name in self.inputs} for request in requests]
        results: list[Answer | None] = [refused(self.config["name"], feed) for feed in feeds]
        groups: dict[tuple, list[int]] = {}
        for index, feed in enumerate(feeds):
            if results[index]:
                continue
            shapes = tuple(array.shape[1:] for array in feed.values())
            groups.setdefault(shapes if self.batched else (index,), []).append(index)
        for members in groups.values():
            for index, result in zip(members, self._run_batch([feeds[i] for i in members]), strict=True):
                results[index] = result
        wanted = map(self._wanted, requests)
        return [self._response(names, result) for names, result in zip(wanted, results, strict=True)]

    def finalize(self) -> None:
        """Answer what waits."""
        if self.queue:
            self.queue.close()

    def _wait(self, waiting: TurnQueue[Waiting], request: Any) -> None:
        feed = {name: np.array(_input(request, name)) for name in self.inputs}
        one = Waiting(feed, request.get_response_sender(), self._wanted(request))
        if error := refused(self.config["name"], feed):
            self._send(one, error)
        else:
            waiting.put(one)

    def _turn(self, waiting: list[Waiting]) -> Callable[[], None]:
        """Compute the requests of a turn, each lane its own; return what answers them."""
        if len(waiting) == 1:
            results = [self._run_one(waiting[0].feed)]
        else:
            shares = self.lanes.shares(len(waiting))
            lanes = self.lanes.run_all(lambda part: [self._run_alone(one) for one in waiting[part]], shares)
            results = [result for lane in lanes for result in lane]

        def answer() -> None:
            for one, result in zip(waiting, results, strict=True):
                self._send(one, result)

        return answer

    def _send(self, one: Waiting, result: Answer) -> None:
        if isinstance(result, VitrineError):
            send_error(pb_utils, one.sender, self._response(one.outputs, result))
        else:
            send_last(pb_utils, one.sender, {name: result[name] for name in one.outputs})

    def _run_alone(self, one: Waiting) -> Answer:
        """The answer of a request that one thread computes from end to end."""
        rows = slice(0, len(one.feed[self.inputs[0]]))
        try:
            parts = self._run_parts(self.lane_session, one.feed, rows, 1 if self.pictures else rows.stop)
            return dict(zip(self.outputs, _joined(parts), strict=True))
        except Exception as error:  # becomes the error response of this request alone
            return self._failed(one.feed, error)

    def _run_batch(self, feeds: list[Arrays]) -> list[Answer]:
        """Run feeds of equal shapes as one batch; if the batch fails, run each feed by itself."""
        if len(feeds) == 1:
            return [self._run_one(feeds[0])]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in self.inputs}
        answer = self._run_one(joined)
        if isinstance(answer, VitrineError):
            return [self._run_one(feed) for feed in feeds]
        ends = np.cumsum([len(feed[self.inputs[0]]) for feed in feeds])[:-1]
        parts = {name: np.split(array, ends) for name, array in answer.items()}
        return [{name: parts[name][index] for name in self.outputs} for index in range(len(feeds))]

    def _run_one(self, feed: Arrays) -> Answer:
        try:
            return dict(zip(self.outputs, self._run(feed), strict=True))
        except Exception as error:  # becomes the error response of this request alone
            return self._failed(feed, error)

    def _failed(self, feed: Arrays, error: Exception) -> VitrineError:
        """The error for the caller; the log has ONNX Runtime's own."""
        pb_utils.Logger.log_error(f"{self.config['name']}: {error}")
        return failed(self.config["name"], feed, error)

    def _run(self, feed: Arrays) -> list[np.ndarray]:
        rows = len(feed[self.inputs[0]])
        if self.row_by_row:
            return _joined(self._run_parts(self.session, feed, slice(0, rows), 1))
        shares = self.lanes.shares(rows)
        if len(shares) == 1:
            return self.session.run(self.outputs, feed)

        def share(part: slice) -> list[list[np.ndarray]]:
            return self._run_parts(self.lane_session, feed, part, 1 if self.pictures else rows)

        return _joined([part for lane in self.lanes.run_all(share, shares) for part in lane])

    def _run_parts(self, session: Any, feed: Arrays, rows: slice, most: int) -> list[list[np.ndarray]]:
        """The outputs of these rows, in calls of `most` rows."""
        starts = range(rows.start, rows.stop, most)
        calls = [slice(first, min(first + most, rows.stop)) for first in starts]
        return [
            session.run(self.outputs, {name: array[part] for name, array in feed.items()}) for part in calls
        ]

    def _wanted(self, request: Any) -> list[str]:
        asked = request.requested_output_names()
        return [name for name in self.outputs if name in asked]

    def _response(self, wanted: list[str], result: Answer) -> Any:
        if isinstance(result, VitrineError):
            return error_response(pb_utils, result)
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, result[name]) for name in wanted])


def _joined(calls: list[list[np.ndarray]]) -> list[np.ndarray]:
    """The outputs of several calls as those of one."""
    return calls[0] if len(calls) == 1 else [np.concatenate(parts) for parts in zip(*calls, strict=True)]


def _input(request: Any, name: str) -> np.ndarray:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _parameter(config: Mapping[str, Any], name: str) -> int:
    return int(config["parameters"].get(name, {"string_value": "0"})["string_value"])


def _threads(config: Mapping[str, Any]) -> int:
    return _parameter(config, "intra_op_thread_count") or cores()


def _options(config: Mapping[str, Any], threads: int, arena: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = arena
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = _parameter(config, "inter_op_thread_count")
    options.enable_mem_pattern = False  # one block for all of a call: no faster here, and half as much again
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # many models share the cores
    return options


def _providers(config: Mapping[str, Any], kind: str, device: int) -> list[Any]:
    """The installed execution providers, in order of preference."""
    wanted: list[tuple[str, dict[str, str]]] = [("CPUExecutionProvider", {})]
    if kind == "GPU":
        wanted.insert(0, ("CUDAExecutionProvider", {"device_id": str(device)}))
        accelerators = config["optimization"].get("execution_accelerators", {})
        for accelerator in accelerators.get("gpu_execution_accelerator", []):
            if accelerator["name"] == "tensorrt":
                options = accelerator["parameters"] | {"device_id": str(device)}
                wanted.insert(0, ("TensorrtExecutionProvider", options))
    installed = onnxruntime.get_available_providers()
    return [provider for provider in wanted if provider[0] in installed]
