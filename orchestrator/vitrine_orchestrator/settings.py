"""The settings of a deployment, read once from the environment: one `VITRINE_NAME` for each field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_type_hints

from vitrine.errors import BadRequest, VitrineError
from vitrine.s3 import checked_endpoint, checked_region, completed, environment_endpoint, place_of

from vitrine_orchestrator.residency.amounts import OFF, check_budget, read_bytes

PREFIX = "VITRINE_"


class BadSettings(VitrineError):
    """The environment or an option has a setting that does not exist, or a value that is not allowed."""

    word = "bad settings"


_OF_KUBERNETES = (
    # (end of the name, value) of the variables that Kubernetes sets in every pod for each Service
    (r"_SERVICE_HOST", r".+"),
    (r"_SERVICE_PORT(_\w+)?", r"\d+"),
    (r"_PORT(_\d+_(TCP|UDP|SCTP))?", r"(tcp|udp|sctp)://.+"),
    (r"_PORT_\d+_(TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
    (r"_PORT_\d+_(TCP|UDP|SCTP)_PORT", r"\d+"),
    (r"_PORT_\d+_(TCP|UDP|SCTP)_ADDR", r".+"),
)
"""For a Service whose name begins with "vitrine", these variables have the prefix of our settings."""


def _any(value: Any) -> None:
    """Accept every value."""


def _store(value: str) -> None:
    if value != "off":
        place_of(value)


def _rules(
    meaning: str,
    least: float | None = None,
    words: tuple[str, ...] = (),
    check: Callable[[Any], object] = _any,
) -> dict[str, object]:
    """The metadata of a setting; `check` raises BadRequest for a value that cannot be used."""
    return {"meaning": meaning, "least": least, "words": words, "check": check}


@dataclass(frozen=True)
class Settings:
    """Every setting with its default. `VITRINE_MAX_PIXELS` sets the field `max_pixels`."""

    triton_dir: Path | None = field(
        default=None, metadata=_rules("folder of the unpacked nvidia-pytriton wheel")
    )
    max_picture_bytes: int = field(
        default=20_000_000, metadata=_rules("largest encoded picture taken, in bytes", least=1)
    )
    max_pixels: int = field(
        default=40_000_000, metadata=_rules("largest picture decoded, in pixels", least=1)
    )
    cache_memory: str = field(default="on", metadata=_rules("cache in memory", words=("on", "off")))
    cache_folder: Path | None = field(
        default=None, metadata=_rules("folder of the cache on disk; processes that share data must share it")
    )
    cache_disk_bytes: int = field(
        default=50_000_000_000, metadata=_rules("largest size of the cache on disk, in bytes", least=0)
    )
    cache_store: str = field(
        default="off", metadata=_rules("object store of the cache: s3://bucket/prefix", check=_store)
    )
    cache_endpoint: str | None = field(
        default=None,
        metadata=_rules(
            "address of another store than Amazon's: http(s)://host:port", check=checked_endpoint
        ),
    )
    cache_region: str | None = field(
        default=None, metadata=_rules("region of the store", check=checked_region)
    )
    at_once: int = field(
        default=0,
        metadata=_rules("requests at once in each model, at most; 0: as many as its config says", least=0),
    )
    turns: str = field(
        default="on",
        metadata=_rules("denoiser and decoder on few cores compute in turn", words=("on", "off")),
    )

    font_folder: Path | None = field(
        default=None, metadata=_rules("folder of fonts for texts, found before those of the system")
    )
    caller_html: str = field(
        default="off",
        metadata=_rules(
            "callers may put pages of HTML of their own on pictures, drawn by a locked Chromium; "
            "`without-sandbox` where a container is the sandbox",
            words=("off", "on", "without-sandbox"),
        ),
    )
    caller_html_s: float = field(
        default=10.0, metadata=_rules("seconds that one such page may take", least=0.1)
    )
    memory: str = field(
        default=OFF,
        metadata=_rules(
            "memory budget, such as `24GiB`: models that do not fit are loaded and unloaded by need",
            check=check_budget,
        ),
    )
    memory_reserve: str = field(
        default="64MiB",
        metadata=_rules("part of the budget that is kept free for working memory", check=read_bytes),
    )
    memory_wait_s: float = field(
        default=30.0,
        metadata=_rules("seconds that a call waits for its model before it is refused as busy", least=0.1),
    )
    memory_sizes: Path | None = field(
        default=None, metadata=_rules("file that keeps the models' measured sizes for the next start")
    )
    graph_folder: Path | None = field(
        default=None,
        metadata=_rules("folder that keeps networks for the CPU as they are run, so that they load faster"),
    )

    denoise_max_rows: int = field(
        default=8, metadata=_rules("jobs under way in `denoise` that may share calls", least=1)
    )
    denoise_call_rows: int = field(
        default=0,
        metadata=_rules("most jobs in one call; 0: all on a GPU, four for each core on the CPU", least=0),
    )
    denoise_max_running: int = field(
        default=16, metadata=_rules("jobs under way in `denoise` in all: each holds memory", least=1)
    )
    denoise_threads: int = field(
        default=0, metadata=_rules("threads of a step on the CPU; 0: one for each core", least=0)
    )
    garment_bytes: int = field(
        default=512 * 2**20,
        metadata=_rules("garment rows that `denoise` keeps, in bytes", least=0),
    )
    lora_folder: Path | None = field(
        default=None, metadata=_rules("registry of adapters, written by `vitrine-export lora`")
    )
    lora_bytes: int = field(
        default=2 * 2**30, metadata=_rules("adapters that `denoise` keeps in memory, in bytes", least=0)
    )
    workflow_bytes: int = field(
        default=256 * 2**20,
        metadata=_rules("answers of nodes that a model of workflows keeps for later ones, in bytes", least=0),
    )
    llm_url: str | None = field(
        default=None,
        metadata=_rules(
            "OpenAI-compatible endpoint of a language model, up to its version: http(s)://host:port/v1"
        ),
    )
    llm_model: str | None = field(default=None, metadata=_rules("name of the model behind that endpoint"))
    llm_key: str | None = field(default=None, repr=False, metadata=_rules("key of that endpoint"))
    llm_key_file: Path | None = field(
        default=None, metadata=_rules("file with the key instead, read when a model starts")
    )
    llm_timeout_s: float = field(
        default=20.0, metadata=_rules("longest wait for its answer in seconds, all tries together", least=0.1)
    )
    vision_model: str | None = field(
        default=None,
        metadata=_rules("name of a vision model behind that endpoint, which may propose boxes in pictures"),
    )
    llm_retries: int = field(default=1, metadata=_rules("further tries after a failure", least=0))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in `environment`; BadSettings for an unknown name or a bad value.

        An empty variable counts as not set: an empty path would be the working directory.
        """
        known = {PREFIX + one.name.upper(): one for one in fields(cls)}
        given = {
            name: value
            for name, value in environment.items()
            if name.startswith(PREFIX) and (name in known or not _is_service_link(name, value))
        }
        if unknown := given.keys() - known.keys():
            raise BadSettings(f"unknown settings {sorted(unknown)}; known: {sorted(known)}")
        kinds = get_type_hints(cls)
        settings = cls(
            **{
                known[name].name: _read(name, text, kinds[known[name].name], known[name].metadata)
                for name, text in given.items()
                if text
            }
        )
        if settings.cache_store != "off":
            _check_store(settings, environment)
        return settings

    def in_flight(self, configured: int) -> int:
        """Concurrent requests in a model whose config allows `configured`."""
        return min(configured, self.at_once or configured)


def _check_store(settings: Settings, environment: Mapping[str, str]) -> None:
    """BadSettings if what boto3 finds for the cache's store (endpoint, region, profile) cannot be used."""
    if not settings.cache_endpoint:
        _checked(environment_endpoint, environment)
    place = place_of(settings.cache_store, settings.cache_endpoint, settings.cache_region)
    _checked(completed, place, "VITRINE_CACHE_STORE: ")


def _is_service_link(name: str, value: str) -> bool:
    return any(
        re.fullmatch(rf"VITRINE(_\w+)?{end}", name) and re.fullmatch(form, value, re.IGNORECASE)
        for end, form in _OF_KUBERNETES
    )


def _read(name: str, text: str, kind: type | UnionType, rules: Mapping[str, Any]) -> Any:
    convert = next(one for one in (int, float, Path, str) if one in getattr(kind, "__args__", (kind,)))
    try:
        value = convert(text)
    except ValueError:
        raise BadSettings(f"{name} must be {convert.__name__}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise BadSettings(f"{name} must be a finite number, got {text}")
    if rules["least"] is not None and value < rules["least"]:
        raise BadSettings(f"{name} must be at least {rules['least']}, got {text}")
    if rules["words"] and value not in rules["words"]:
        raise BadSettings(f"{name} must be one of {', '.join(rules['words'])}, got {text!r}")
    _checked(rules["check"], value, f"{name}: ")
    return value


def _checked(check: Callable[[Any], object], value: Any, place: str = "") -> None:
    try:
        check(value)
    except BadRequest as error:
        raise BadSettings(f"{place}{error}") from error
