"""Loopback servers for the client's tests: a small one that speaks Triton's gRPC and HTTP, and moto's S3.

The small one can be busy, slow or left on demand, which a real server cannot.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import boto3
import grpc
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import (
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)
from vitrine import FakeTransport, Shelf, VitrineError, open_store
from vitrine.errors import to_wire

sys.path.insert(0, str(Path(__file__).parents[1]))  # the modules that several folders use

GRPC = {
    "INVALID_ARG": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "CANCELLED": grpc.StatusCode.CANCELLED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}
HTTP = {"INVALID_ARG": 400, "NOT_FOUND": 404, "UNAVAILABLE": 503, "CANCELLED": 499, "INTERNAL": 500}
INDEX = [{"name": "pose", "version": "1", "state": "READY"}, {"name": "denoise", "state": "UNAVAILABLE"}]
STATISTICS = [
    {
        "name": "pose",
        "version": "1",
        "inference_count": 8,
        "execution_count": 2,
        "inference_stats": {"success": {"count": 4, "ns": 8_000_000}, "queue": {"count": 4, "ns": 2_000_000}},
    }
]


class Loopback(FakeTransport):
    """The fake client transport behind both protocols.

    The model "slow" answers only after its caller has gone.
    """

    def __init__(self):
        super().__init__()
        self.begun, self.left = threading.Event(), threading.Event()
        self.streams_closed = threading.Semaphore(0)  # streams that their callers closed, and did not cancel
        self.headers = {}
        self.breaks_streams = False  # each after its first response

    def answer(self, model, inputs):
        if model == "slow":
            self.begun.set()
            self.left.wait(60)
            return {"done": np.array([True])}
        if model == "echo":
            return dict(inputs)
        return self.infer(model, inputs, timeout_s=1)


def as_array(raw, datatype, shape):
    if datatype == "BYTES":
        return deserialize_bytes_tensor(raw).reshape(shape)
    return np.frombuffer(raw, triton_to_np_dtype(datatype)).reshape(shape)


def as_bytes(array):
    return serialize_byte_tensor(array).item() if array.dtype == np.object_ else array.tobytes()


class Grpc(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Triton's gRPC service, as far as the client uses it."""

    def __init__(self, loopback):
        self.loopback = loopback

    def ModelInfer(self, request, context):
        self.loopback.headers = dict(context.invocation_metadata())
        context.add_callback(self.loopback.left.set)  # at the end of the call, a cancellation among others
        try:
            return self.response(self.loopback.answer(request.model_name, self.inputs(request)))
        except VitrineError as error:
            code, text = to_wire(error)
            return context.abort(GRPC[code], text)

    def ModelStreamInfer(self, requests, context):
        self.loopback.headers = dict(context.invocation_metadata())
        for request in requests:
            try:
                answers = list(self.loopback.stream(request.model_name, self.inputs(request), timeout_s=1))
            except VitrineError as error:
                yield service_pb2.ModelStreamInferResponse(error_message=to_wire(error)[1])
                continue
            for left, outputs in zip(reversed(range(len(answers))), answers, strict=True):
                yield self.streamed(outputs, last=not left)  # marked, as by the project's models
                if self.loopback.breaks_streams:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        self.loopback.streams_closed.release()

    def streamed(self, outputs, last):
        response = self.response(outputs)
        response.parameters["triton_final_response"].bool_param = last
        return service_pb2.ModelStreamInferResponse(infer_response=response)

    def RepositoryIndex(self, request, context):
        return service_pb2.RepositoryIndexResponse(models=INDEX)

    def ModelStatistics(self, request, context):
        return service_pb2.ModelStatisticsResponse(model_stats=STATISTICS)

    def inputs(self, request):
        pairs = zip(request.inputs, request.raw_input_contents, strict=True)
        return {one.name: as_array(raw, one.datatype, one.shape) for one, raw in pairs}

    def response(self, outputs):
        response = service_pb2.ModelInferResponse(raw_output_contents=map(as_bytes, outputs.values()))
        for name, array in outputs.items():
            response.outputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        return response


class Http(BaseHTTPRequestHandler):
    """Triton's HTTP service with binary tensors, as far as the client uses it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Log nothing."""

    def do_GET(self):
        self.reply(200, json.dumps({"model_stats": STATISTICS}).encode())

    def do_POST(self):
        loopback = self.server.loopback
        loopback.headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path.endswith("/index"):
            return self.reply(200, json.dumps(INDEX).encode())
        try:
            outputs = loopback.answer(self.path.split("/")[3], self.inputs(body))
        except VitrineError as error:
            code, text = to_wire(error)
            return self.reply(HTTP[code], json.dumps({"error": text}).encode())
        return self.answer(outputs)

    def inputs(self, body):
        length = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        found = {}
        for one in json.loads(body[:length])["inputs"]:
            size = one["parameters"]["binary_data_size"]
            found[one["name"]] = as_array(body[length : length + size], one["datatype"], one["shape"])
            length += size
        return found

    def answer(self, outputs):
        raw = [as_bytes(array) for array in outputs.values()]
        told = [
            {
                "name": name,
                "datatype": np_to_triton_dtype(array.dtype),
                "shape": array.shape,
                "parameters": {"binary_data_size": len(content)},
            }
            for (name, array), content in zip(outputs.items(), raw, strict=True)
        ]
        header = json.dumps({"outputs": told}).encode()
        self.reply(200, b"".join([header, *raw]), {"Inference-Header-Content-Length": str(len(header))})

    def reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(params=["grpc", "http"])
def served(request):
    """A running loopback server: (its URL, the Loopback behind it)."""
    loopback = Loopback()
    if request.param == "grpc":
        server = grpc.server(ThreadPoolExecutor(8))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Grpc(loopback), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"grpc://127.0.0.1:{port}", loopback
        loopback.left.set()
        server.stop(0).wait()
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    server.loopback = loopback
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", loopback
    loopback.left.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def s3():
    """The address of an S3 server, and boto3's view of it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    yield endpoint, client
    client.close()
    server.stop()


@pytest.fixture
def bucket(s3):
    """A new bucket: (its name, boto3's client, a shelf in it)."""
    endpoint, client = s3
    name = f"pictures-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    keys = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    return name, client, Shelf(open_store(f"s3://{name}", endpoint=endpoint, **keys))
