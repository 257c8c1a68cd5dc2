"""The settings of the gateway, read once from the environment: one `GATEWAY_NAME` for each field.

The prefix is not VITRINE_, because the server refuses unknown names of that prefix and both may share an
environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL
from vitrine.transport import DEFAULT_URL

from vitrine_gateway.addresses import (
    HttpUrl,
    Proxies,
    PublicUrl,
    RedisUrl,
    TritonUrl,
    in_url,
    is_wildcard,
)
from vitrine_gateway.errors import BadSettings, first_fault

PREFIX = "GATEWAY_"
# The variables that Kubernetes sets for a Service named "gateway" or "gateway-…".
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT=\w+://.*|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=.*)"
)
_SECRET = ("redis",)  # may hold a password: an error does not quote it
_ORIGIN = r"^https?://[a-z0-9.\-\[\]:]+$"
YEARS_100 = 876_600  # hours: a time that dates can tell
_RATE = r"^([1-9]\d{0,8}/[1-9]\d{0,5})?$"


class Settings(BaseSettings):
    """Every setting with its default; the description of a field is its row in docs/gateway.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, allow_inf_nan=False, str_strip_whitespace=True
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on")
    triton: TritonUrl = Field(DEFAULT_URL, description="the Vitrine server, over gRPC: host:port or grpc://…")
    data: Path = Field(Path("vitrine-data"), description="folder of the SQLite database and of the pictures")
    database: str = Field(
        "", description="URL of a PostgreSQL database: postgresql://user@host/name; empty: SQLite in `data`"
    )
    pictures: str = Field(
        "", description="object store of the pictures: s3://bucket/prefix; empty: a folder in `data`"
    )
    pictures_endpoint: str = Field("", description="address of another store than Amazon's")
    workers: int = Field(4, ge=0, le=256, description="jobs that this process runs at the same time")
    lease_s: float = Field(
        30.0, ge=0.5, le=600, description="seconds after which a job of a silent worker goes to another one"
    )
    poll_s: float = Field(0.25, gt=0, le=10, description="seconds between two looks into the database")
    job_timeout_s: float = Field(
        300.0, gt=0, le=86_400, description="longest time of one try of a job, in seconds"
    )
    previews: Literal["asked", "always", "never"] = Field(
        "asked", description="jobs with previews: `asked` (those whose option says so), `always` or `never`"
    )
    tries: int = Field(3, ge=1, le=10, description="tries of a job, pauses of 2, 4, 8 s between them")
    moderation: str = Field(
        "",
        description="judge of requests and results: an address, or module:function; empty: all is allowed",
    )
    moderation_when: Literal["both", "before", "after"] = Field(
        "both", description="what is judged: requests `before` they run, results `after`, or `both`"
    )
    moderation_failure: Literal["refuse", "allow"] = Field(
        "refuse", description="jobs that cannot be judged: `refuse` (after their tries) or `allow`"
    )
    moderation_timeout_s: float = Field(
        10.0, gt=0, le=600, description="longest time of one judgement over HTTP, in seconds"
    )
    max_queued: int = Field(1000, ge=1, description="most jobs that wait, of one account")
    max_garments: int = Field(10_000, ge=1, description="most registered garments of an account")
    rewarded_garments: int = Field(
        20, ge=0, description="garments of an account that earn credits, in 24 hours; 0: none"
    )
    rate_calls: str = Field(
        "30000/60",
        pattern=_RATE,
        description="calls of an account, N/S: N in S seconds, for each process; empty: no limit",
    )
    rate_jobs: str = Field(
        "600/60",
        pattern=_RATE,
        description="jobs of an account, N/S: N in S seconds, for all processes; empty: no limit",
    )
    max_picture_bytes: int = Field(20_000_000, ge=1, description="largest picture taken, in bytes")
    max_pixels: int = Field(40_000_000, ge=1, description="largest picture decoded, in pixels")
    max_body_bytes: int = Field(64_000_000, ge=1, description="largest request body, in bytes")
    link_s: int = Field(
        3600, ge=1, le=YEARS_100 * 3600, description="seconds for which a signed link to a picture is valid"
    )
    upload_hours: float = Field(
        24.0, ge=0, le=YEARS_100, description="hours for which uploads are kept; 0: for ever"
    )
    result_hours: float = Field(
        0.0, ge=0, le=YEARS_100, description="hours for which results are kept; 0: for ever"
    )
    idempotency_hours: float = Field(
        24.0, gt=0, le=YEARS_100, description="hours for which an Idempotency-Key is known"
    )
    old_account: str = Field(
        "", description="account of calls without a key to the old services' routes; empty: a key is needed"
    )
    key: str = Field("", description="API key of those who use `vitrine gateway mcp` or `bullmq`")
    public_url: PublicUrl = Field(
        "",
        description="address in links, https://host; empty: the one that a caller uses, and for `mcp` and "
        "`bullmq` that of host and port",
    )
    trusted_proxies: Proxies = Field(
        "127.0.0.1,::1",
        description="proxies whose X-Forwarded-Proto and -For count: addresses or networks a,b; `*`: all",
    )
    redis: RedisUrl = Field(
        "redis://localhost:6379", description="the Redis of the queue that `bullmq` serves"
    )
    queue: str = Field("vto-queue", min_length=1, description="the name of that queue")
    queue_at_once: int = Field(3, ge=1, le=256, description="jobs of that queue at the same time")
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private hosts that webhooks may call, for tests and closed networks: a,b"
    )
    fetch_pictures: bool = Field(True, description="whether FASHN's route fetches pictures by https")
    picture_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private hosts that pictures may be fetched from: a,b"
    )
    origins: Annotated[tuple[Annotated[str, Field(pattern=_ORIGIN)], ...], NoDecode] = Field(
        (), description="origins whose pages may call from a browser: https://a,https://b; empty: none"
    )
    triton_metrics: HttpUrl = Field(
        "",
        description="Triton's metrics, http://host:8002/metrics, for figures of its machine; empty: our own",
    )
    traces: HttpUrl = Field(
        "", description="OpenTelemetry collector (OTLP over HTTP), http://host:4318/v1/traces; empty: none"
    )
    log: Literal["json", "text"] = Field("json", description="form of the log: `json` or `text`")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`; BadSettings for an unknown name or a bad value.

        An empty variable counts as not set, but for texts: an empty path would be the working directory.
        """
        given = {
            name: value
            for name, value in environment.items()
            if name.startswith(PREFIX) and not _SERVICE_LINK.fullmatch(f"{name}={value}")
        }
        known = {PREFIX + name.upper(): name for name in cls.model_fields}
        if unknown := given.keys() - known.keys():
            raise BadSettings(f"unknown settings {sorted(unknown)}; known: {sorted(known)}")
        texts = {name for name, field in cls.model_fields.items() if field.annotation is str}
        values = {known[name]: value.strip() for name, value in given.items()}  # a file's newline
        return cls.of(**{name: value for name, value in values.items() if value or name in texts})

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """Return settings of these values, without looking at the environment; raises BadSettings."""
        for name in ("webhook_hosts", "picture_hosts", "origins"):
            if isinstance(hosts := values.get(name), str):
                values[name] = tuple(filter(None, (host.strip() for host in hosts.split(","))))
        try:
            return _Given(**values)
        except ValidationError as error:
            place, wrong = first_fault(error)
            name, given = PREFIX + place.replace(".", "_").upper(), error.errors()[0]["input"]
            told = "" if place in _SECRET else f", got {given!r}"
            raise BadSettings(f"{name}: {wrong.removeprefix('Value error, ')}{told}") from error

    @property
    def base_url(self) -> str:
        """The address of the gateway for those who do not call it over HTTP."""
        return self.public_url or f"http://{in_url(self._near_host)}:{self.port}"

    @property
    def _near_host(self) -> str:
        """The host under which this machine reaches the gateway."""
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return loopback if is_wildcard(self.host) else self.host

    @property
    def guesses_its_address(self) -> bool:
        """Whether `base_url` names this machine only because it listens on every address."""
        return not self.public_url and is_wildcard(self.host)

    @property
    def database_url(self) -> str:
        """The URL of the database."""
        file = URL.create("sqlite", database=str(self.data / "gateway.db"))  # any path is escaped
        return self.database or file.render_as_string()


class _Given(Settings):
    """Settings whose values are given: the environment is not read a second time."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """Keep the given values alone."""
        return (init_settings,)
