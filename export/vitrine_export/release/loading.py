"""Loads and unloads versions in a running Triton after their folders were added or removed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
from vitrine.channels import channel_options
from vitrine.endpoint import read_endpoint
from vitrine.errors import BadRequest
from vitrine.headers import read_headers
from vitrine.residence import OWNER
from vitrine_orchestrator.manifest import versions

from vitrine_export.errors import ReleaseFailed
from vitrine_export.release.folders import MODELS, PIPELINES

LOAD_S = 900.0  # time limit to load one model, without the first build of TensorRT engines
LEAVE_S = 120.0  # time limit to unload a version, whose requests in flight finish first
STATE_S = 10.0  # time limit of a question about the server's state
POLL_S = 0.1
HELD = ("READY", "UNLOADING")  # states of a version that is loaded or still answers requests

Loaded = Mapping[str, Collection[int]]
"""The versions that a server holds, by model."""


def add_server(parser: argparse.ArgumentParser, does: str) -> None:
    """Add the options of the server; `does` says what the command has it do."""
    parser.add_argument(
        "--url",
        type=_address,
        metavar="HOST:PORT",
        help=f"gRPC address of the server of that repository: {does}",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME: VALUE",
        help="header of every request to that server; may be repeated",
    )


def loaded(url: str, headers: Mapping[str, str]) -> dict[str, set[int]]:
    """Return the versions of every model of a server that it holds; ReleaseFailed if it does not answer."""
    try:
        with triton.InferenceServerClient(url, channel_args=channel_options(url)) as client:
            index = client.get_model_repository_index(headers=dict(headers), client_timeout=STATE_S)
    except InferenceServerException as error:
        raise ReleaseFailed(f"the server {url} does not say what it has loaded: {_reason(error)}") from error
    held: dict[str, set[int]] = {}
    for model in index.models:
        known = held.setdefault(model.name, set())
        if model.version and model.state in HELD:
            known.add(int(model.version))
    return held


def check_server(url: str, headers: Mapping[str, str], repository: Path, without: int = 0) -> Loaded:
    """Return what a server has loaded; ReleaseFailed unless it can be the server of this repository.

    It knows the repository's models, has no pipeline of a version that the repository lacks, except of the
    version `without`, and has no memory budget: then one of its models loads and unloads the others.
    """
    held = loaded(url, headers)
    other = f"nothing is changed: {url} is not the server of {repository}"
    for name in PIPELINES:
        there = set(versions(repository, name))
        if there and name not in held:
            raise ReleaseFailed(f"{other}: it does not know {name}")
        if more := held.get(name, set()) - there - {without}:
            version = max(more)
            raise ReleaseFailed(
                f"{other}, or release {version} was withdrawn and not unloaded: {name}/{version} is loaded, "
                f"which the repository lacks; withdraw {version} unloads it"
            )
    if held.get(OWNER):
        raise ReleaseFailed(
            f"nothing is changed: the server {url} has a memory budget, and loads models itself: "
            "repeat this without --url and start the server again"
        )
    return held


def without_folder(held: Loaded, repository: Path) -> dict[str, list[int]]:
    """Return the loaded versions of a repository's models that have no folder any more, callers first."""
    left = {
        row.name: sorted(set(held.get(row.name, ())) - set(versions(repository, row.name)))
        for row in reversed(MODELS)
    }
    return {name: several for name, several in left.items() if several}


def load(url: str, headers: Mapping[str, str], models: Iterable[str], report: Callable[[str], None]) -> None:
    """Load models one after the other; ReleaseFailed names the first that fails, and the reason."""
    with triton.InferenceServerClient(url, channel_args=channel_options(url)) as client:
        for name in models:
            try:
                client.load_model(name, headers=dict(headers), client_timeout=LOAD_S)
            except InferenceServerException as error:
                raise ReleaseFailed(f"{name} could not be loaded: {_reason(error)}") from error
            report(f"loaded {name}")


def leave(
    url: str,
    headers: Mapping[str, str],
    gone: Mapping[str, list[int]],
    report: Callable[[str], None],
    ended: Collection[str] = (),
) -> None:
    """Unload versions whose folders are removed, each after its last request; callers first.

    ended: the models of which no version is left.
    """
    for name, several in gone.items():
        if name in ended:
            _unload(url, headers, name, report)
        else:
            load(url, headers, [name], report)
        give_up = time.monotonic() + LEAVE_S
        while loaded(url, headers).get(name, set()) & set(several):
            if time.monotonic() > give_up:
                raise ReleaseFailed(f"{name} still has requests in flight after {LEAVE_S:.0f} s")
            time.sleep(POLL_S)


def _unload(url: str, headers: Mapping[str, str], name: str, report: Callable[[str], None]) -> None:
    with triton.InferenceServerClient(url, channel_args=channel_options(url)) as client:
        try:
            client.unload_model(name, headers=dict(headers), client_timeout=LEAVE_S)
        except InferenceServerException as error:
            raise ReleaseFailed(f"{name} could not be unloaded: {_reason(error)}") from error
    report(f"unloaded {name}")


def _reason(error: InferenceServerException) -> str:
    return " ".join(str(error.message()).split())[:300]


def _address(text: str) -> str:
    try:
        endpoint = read_endpoint(text, protocol="grpc")
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if endpoint.tls:
        raise argparse.ArgumentTypeError(f"must be a gRPC address without TLS, got {text!r}")
    return endpoint.address


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"a header must be NAME: VALUE, got {text!r}")
    try:
        ((read, kept),) = read_headers({name.strip(): value.strip()}).items()
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return read, kept
