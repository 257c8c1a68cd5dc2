"""Loads and unloads versions in a running Triton after their folders were added or removed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
from vitrine.channels import channel_options

from vitrine_export.errors import ReleaseFailed

LOAD_S = 900.0  # time limit to load one model, without the first build of TensorRT engines
LEAVE_S = 120.0  # time limit to unload a version, whose requests in flight finish first
POLL_S = 0.1


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of the server."""
    parser.add_argument(
        "--url", metavar="HOST:PORT", help="gRPC address of the server of that repository: load there as well"
    )
    parser.add_argument(
        "--header", action="append", default=[], type=_header, metavar="NAME: VALUE", help="may be repeated"
    )


def load(url: str, headers: Mapping[str, str], models: Iterable[str], report: Callable[[str], None]) -> None:
    """Load models one after the other; ReleaseFailed names the first that fails, and the reason."""
    with triton.InferenceServerClient(url, channel_args=channel_options(url)) as client:
        for name in models:
            try:
                client.load_model(name, headers=dict(headers), client_timeout=LOAD_S)
            except InferenceServerException as error:
                reason = " ".join(str(error.message()).split())[:300]
                raise ReleaseFailed(f"{name} could not be loaded: {reason}") from error
            report(f"loaded {name}")


def leave(
    url: str, headers: Mapping[str, str], gone: Mapping[str, list[int]], report: Callable[[str], None]
) -> None:
    """Unload versions whose folders are removed, each after its last request; callers first."""
    for name, versions in gone.items():
        load(url, headers, [name], report)
        give_up = time.monotonic() + LEAVE_S
        while _served(url, headers, name) & set(versions):
            if time.monotonic() > give_up:
                raise ReleaseFailed(f"{name} still has requests in flight after {LEAVE_S:.0f} s")
            time.sleep(POLL_S)


def _served(url: str, headers: Mapping[str, str], name: str) -> set[int]:
    """Return the versions of a model that are loaded or still answer requests."""
    with triton.InferenceServerClient(url, channel_args=channel_options(url)) as client:
        index = client.get_model_repository_index(headers=dict(headers))
    return {
        int(model.version)
        for model in index.models
        if model.name == name and model.version and model.state in ("READY", "UNLOADING")
    }


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"a header must be NAME: VALUE, got {text!r}")
    return name.strip().lower(), value.strip()
