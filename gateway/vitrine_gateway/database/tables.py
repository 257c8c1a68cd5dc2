"""The tables. Times are seconds since 1970-01-01 UTC, as floats: one type for SQLite and PostgreSQL."""

from __future__ import annotations

import secrets
from typing import Any, cast

import sqlalchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Id = String(40)
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in INTEGER alone


def new_id(prefix: str) -> str:
    """Return a random id such as "job_5f0c…", 96 bits."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Table(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = {float: Double, dict[str, Any]: JSON(none_as_null=True), list[str]: JSON}  # noqa: RUF012

    def values(self) -> dict[str, Any]:
        """Return the value of every column, None for one that was not set."""
        return {column.name: getattr(self, column.name) for column in self.__table__.columns}


def table_of(rows: type[Table]) -> sqlalchemy.Table:
    """Return the table of a class, for statements whose rows are no objects of it."""
    return cast(sqlalchemy.Table, rows.__table__)


class Account(Table):
    """A customer. Everything else belongs to exactly one account."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    credits: Mapped[int] = mapped_column(BigInteger)  # the sum of the account's ledger rows
    webhook_secret: Mapped[str] = mapped_column(String(100))  # whsec_…
    created_at: Mapped[float]


class ApiKey(Table):
    """A key; the secret itself is not stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the secret, hexadecimal
    scopes: Mapped[list[str]]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]


class Secret(Table):
    """A secret that all processes of the gateway share."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


class Job(Table):
    """One job: its request, state, result and place in the user's history."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_waiting", "state", "run_after", "created_at"),
        Index("jobs_of_account", "account_id", "created_at", "id"),
        Index("jobs_of_user", "account_id", "user", "created_at", "id"),
        Index("jobs_of_batch", "batch_id", "batch_place"),
        Index("jobs_timed", "pipeline", "work", "state", "finished_at"),
        Index("jobs_ended", "finished_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user: Mapped[str] = mapped_column(String(200))  # the caller's name of a person; empty for none
    pipeline: Mapped[str] = mapped_column(String(40))
    work: Mapped[str] = mapped_column(String(100))  # what decides how long it takes: jobs.work.work_of
    state: Mapped[str] = mapped_column(String(12))  # one of jobs.state_names.STATES
    request: Mapped[dict[str, Any]]  # options, and ids of the pictures
    price: Mapped[int]
    created_at: Mapped[float]
    started_at: Mapped[float | None]  # of the last try
    finished_at: Mapped[float | None]
    run_after: Mapped[float]  # a queued job is not leased before this time
    tries: Mapped[int]  # tries that ended with an error
    losses: Mapped[int]  # leases that ran out
    lease: Mapped[str | None] = mapped_column(String(60))  # the worker's name of its present try
    lease_until: Mapped[float | None]
    cancel: Mapped[bool]  # the caller wants it to end
    progress: Mapped[dict[str, Any]]
    preview: Mapped[dict[str, Any] | None]  # the step that it shows, and the picture as in a result
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]  # the problem object
    hidden: Mapped[bool]
    seen: Mapped[bool]
    webhook: Mapped[str | None] = mapped_column(String(2000))
    trace: Mapped[str | None] = mapped_column(String(60))  # the traceparent of the request that queued it
    batch_id: Mapped[str | None] = mapped_column(Id)  # no foreign key: SQLite cannot add one to a table
    batch_place: Mapped[int | None]  # from 0


class Batch(Table):
    """The request that several jobs came from; its state is that of its jobs."""

    __tablename__ = "batches"
    __table_args__ = (Index("batches_of_account", "account_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user: Mapped[str] = mapped_column(String(200))
    pipeline: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float]
    finished_at: Mapped[float | None]  # when its last job ended
    webhook: Mapped[str | None] = mapped_column(String(2000))


class WorkerProcess(Table):
    """A process that runs jobs. It renews its row; a row that is older than a lease is of a dead one."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    places: Mapped[int]  # jobs that it runs at the same time
    seen_at: Mapped[float]


class JobEvent(Table):
    """One event of a job; the numbers of a job's events begin at 1 and have no gaps."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    data: Mapped[dict[str, Any]]
    at: Mapped[float]


class IdempotencyKey(Table):
    """The first request of an Idempotency-Key."""

    __tablename__ = "idempotency_keys"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    created_at: Mapped[float]


class File(Table):
    """One kept picture."""

    __tablename__ = "files"
    __table_args__ = (Index("files_of_user", "account_id", "user"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(10))  # "upload", "preview", "result" or "garment"
    path: Mapped[str] = mapped_column(String(700))
    media_type: Mapped[str] = mapped_column(String(40))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[float]
    expires_at: Mapped[float | None] = mapped_column(index=True)


class Garment(Table):
    """A registered garment. Its picture is the file of the same id; without that row there is no garment."""

    __tablename__ = "garments"
    __table_args__ = (
        Index("garments_of_account", "account_id", "created_at", "id"),
        Index("garments_of_user", "account_id", "user", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user: Mapped[str] = mapped_column(String(200))  # whose garment it is; empty: the account's own
    name: Mapped[str] = mapped_column(String(200))
    category: Mapped[str] = mapped_column(String(40))  # one of jobs.fields.Category, or empty
    description: Mapped[str] = mapped_column(String(1000))
    created_at: Mapped[float]

    file: Mapped[File] = relationship(lazy="joined", innerjoin=True)


class Reward(Table):
    """A reward that was paid. The row outlives the garment, so that a picture earns credits once."""

    __tablename__ = "rewards"
    __table_args__ = (Index("rewards_of_account", "account_id", "at"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # HMAC of what it was paid for
    at: Mapped[float]


class LedgerRow(Table):
    """One movement of credits; rows are added only. A job has at most one row of each kind."""

    __tablename__ = "ledger"
    __table_args__ = (UniqueConstraint("job_id", "kind", name="one_kind_of_a_job"),)

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    job_id: Mapped[str | None] = mapped_column(Id)  # no foreign key: the row outlives an erased job
    kind: Mapped[str] = mapped_column(String(12))  # grant, hold, capture, refund, reward
    amount: Mapped[int] = mapped_column(BigInteger)  # added to the account's credits
    note: Mapped[str] = mapped_column(String(200))
    at: Mapped[float]


class RateBucket(Table):
    """The tokens that an account has left of a rate limit."""

    __tablename__ = "rate_buckets"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    tokens: Mapped[float]
    at: Mapped[float]  # when it held so many


class AuditRow(Table):
    """A record of what was done to a person's data, without the data."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    key_id: Mapped[str] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(64))  # HMAC of the person's name: it can be checked, not read
    counts: Mapped[dict[str, Any]]
    at: Mapped[float]


class Delivery(Table):
    """One webhook to be delivered: the outbox."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("deliveries_waiting", "state", "run_after"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)  # the webhook-id: the same on every try
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    job_id: Mapped[str] = mapped_column(Id)  # or a batch's
    url: Mapped[str] = mapped_column(String(2000))
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12))  # waiting, delivered, failed
    tries: Mapped[int]
    run_after: Mapped[float]
    last_error: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[float]
