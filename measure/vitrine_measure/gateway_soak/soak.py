"""The load, the kills and the verdict."""

from __future__ import annotations

import asyncio
import io
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import numpy as np
from PIL import Image
from sqlalchemy import select, text
from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine_gateway.accounts.keys import key_with_credits
from vitrine_gateway.database.connections import patiently
from vitrine_gateway.database.tables import Batch, Job
from vitrine_gateway.gateway import Gateway, open_gateway
from vitrine_gateway.jobs.state_names import ENDED
from vitrine_gateway.settings import Settings
from vitrine_gateway.soundness import unsound
from vitrine_orchestrator.embedded.ports import free_port

from vitrine_measure.gateway_soak.nursery import Nursery
from vitrine_measure.gateway_soak.postgresql import PostgreSQL
from vitrine_measure.gateway_soak.receiver import Receiver
from vitrine_measure.gateway_soak.victims import Database, Process, Triton, Victim, supervised_triton
from vitrine_measure.load.world import draw_world

CREDITS = 1_000_000
CANCELED_SHARE, BATCH_SHARE = 0.1, 0.15
AWAY_S = 1.0  # longest time between the end of a killed database and its new start
STEPS = "10"
AT_ONCE = 24  # jobs and batches of all clients that have not ended: more would fill the account's queue
VICTIMS = ("gateway", "worker", "triton", "database")


@dataclass(frozen=True)
class Plan:
    """What a soak does."""

    kills: int
    seconds: float  # over which the kills are spread
    clients: int = 3  # that submit without a pause between their jobs
    database: str = ""  # a URL of an empty PostgreSQL database; empty: SQLite
    triton: str = ""  # the address of a Vitrine server; empty: the client's fake
    victims: tuple[str, ...] = ("gateway", "worker")  # of VICTIMS: each gets its part of the kills
    seed: int = 0
    lease_s: float = (
        2.0  # a machine that is busy with other work needs more: starved workers lose their leases
    )
    settle_s: float = 120.0  # longest time until all is done after the last kill


@dataclass
class Report:
    """What a soak found."""

    jobs: int = 0
    states: dict[str, int] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    losses: int = 0  # tries that a killed worker or server took with it, and are not forgiven
    tries: int = 0  # tries that ended with an error
    repeats: int = 0  # requests that were sent again after a broken connection
    messages: int = 0  # webhooks that arrived, repetitions included
    eta_error: float | None = None  # the median of |estimate - truth| / truth
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.__dict__, indent=2)


class Soak:
    """One soak."""

    def __init__(self, plan: Plan, folder: Path, receiver: Receiver) -> None:
        self.port = free_port()
        shared = {"data": str(folder), "database": plan.database, "triton": plan.triton}
        timing = {"lease_s": plan.lease_s, "poll_s": 0.05, "rate_jobs": "", "rate_calls": ""}
        self.settings = {**shared, **timing, "port": self.port, "webhook_hosts": "127.0.0.1"}
        self.settings = {name: value for name, value in self.settings.items() if value != ""}
        self.plan, self.receiver, self.report = plan, receiver, Report()
        self.draw = random.Random(plan.seed)
        self.accepted: dict[str, str] = {}  # key of a request → id of its job or batch
        self.estimates: list[tuple[str, float, float]] = []  # job, when asked, seconds left
        self.pictures = _dolls() if plan.triton else [_picture(seed) for seed in range(4)]
        self.over = False
        self.others: dict[str, Victim] = {}  # by kind, besides gateways and workers

    async def run(self, gateway: Gateway, key: str) -> Report:
        """Load, kill, settle, judge."""
        headers = {"Authorization": f"Bearer {key}"}
        with Nursery() as nursery:
            processes = {kind: Process(nursery, kind, self.settings) for kind in ("gateway", "worker")}
            self._victims: dict[str, Victim] = {**processes, **self.others}
            base = f"http://127.0.0.1:{self.port}"
            async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=10) as http:
                clients = [asyncio.create_task(self._client(http, one)) for one in range(self.plan.clients)]
                await self._kill_all()
                self.over = True
                await asyncio.gather(*clients)
                await self._settle(http)
            await patiently(lambda: _reach(gateway))  # its connections are those to a server that was killed
            await self._judge(gateway)
        return self.report

    async def _kill_all(self) -> None:
        """Kill each kind of victim by itself, so that no kind waits for another one's return."""
        share, more = divmod(self.plan.kills, len(self.plan.victims))
        counts = {kind: share + (place < more) for place, kind in enumerate(self.plan.victims)}
        await asyncio.gather(*(self._kill(kind, count) for kind, count in counts.items()))

    async def _kill(self, kind: str, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(self.plan.seconds / count * self.draw.uniform(0.6, 1.4))
            await self._victims[kind].kill()
            self.report.kills[kind] += 1

    async def _client(self, http: httpx2.AsyncClient, number: int) -> None:
        """Submit jobs and batches; a request whose answer is lost is sent again under its key."""
        turn = 0
        while not self.over:
            if len(self.accepted) - len(self.receiver.ids) >= AT_ONCE:
                await asyncio.sleep(0.1)
                continue
            turn += 1
            draw = self.draw.random()
            path = "/v1/batches" if draw < BATCH_SHARE else "/v1/jobs"
            body = await self._post(http, path, f"{number}-{turn}")
            if path == "/v1/jobs" and draw > 1 - CANCELED_SHARE:
                await self._again(http, "POST", f"{path}/{body['id']}/cancel")
            elif path == "/v1/jobs" and body.get("eta_seconds"):
                self.estimates.append((body["id"], time.time(), body["eta_seconds"]))
            await asyncio.sleep(self.draw.uniform(0.0, 0.3))

    async def _post(self, http: httpx2.AsyncClient, path: str, key: str) -> dict[str, Any]:
        garments = self.draw.sample(self.pictures[1:], 2 if path.endswith("batches") else 1)
        files = [("person", ("p.png", self.pictures[0])), *(("garment", ("g.png", one)) for one in garments)]
        data = {"steps": STEPS, "seed": str(self.draw.randrange(1000)), "webhook": self.receiver.url}
        answer = await self._again(
            http, "POST", path, files=files, data=data, headers={"Idempotency-Key": key}
        )
        body: dict[str, Any] = answer.json()
        self.accepted[key] = body["id"]
        return body

    async def _again(self, http: httpx2.AsyncClient, method: str, path: str, **sent: Any) -> httpx2.Response:
        """Return the answer of a request, which is repeated until a gateway answers it without an error."""
        until = time.monotonic() + self.plan.settle_s
        while True:
            try:
                answer = await http.request(method, path, **sent)
                if answer.status_code in (200, 202, 409):  # 409: a job to be canceled has ended
                    return answer
                if answer.status_code < 500:
                    answer.raise_for_status()
            except httpx2.TransportError:
                pass
            if time.monotonic() > until:
                raise TimeoutError(f"no gateway answers {method} {path} within {self.plan.settle_s:g} s")
            self.report.repeats += 1
            await asyncio.sleep(0.1)

    async def _settle(self, http: httpx2.AsyncClient) -> None:
        """Wait until every job has ended and every message has arrived."""
        until = time.monotonic() + self.plan.settle_s
        while time.monotonic() < until:
            left = [
                (await self._again(http, "GET", "/v1/jobs", params={"status": state, "limit": 1})).json()[
                    "data"
                ]
                for state in ("queued", "running")
            ]
            if not any(left) and all(one in self.receiver.ids for one in self.accepted.values()):
                return
            await asyncio.sleep(0.1)
        self.report.wrong.append(f"not all was done within {self.plan.settle_s:g} s after the last kill")

    async def _judge(self, gateway: Gateway) -> None:
        """Compare the database with what the clients were told and what the receiver got."""
        report = self.report
        async with gateway.database.reading() as session:
            jobs = list(await session.scalars(select(Job)))
            batches = set(await session.scalars(select(Batch.id)))
        report.jobs, report.losses = len(jobs), sum(job.losses for job in jobs)
        for job in jobs:
            report.states[job.state] = report.states.get(job.state, 0) + 1
            if job.state not in ENDED:
                report.wrong.append(f"job {job.id} has not ended")
            if job.state == "failed":
                report.wrong.append(f"job {job.id} failed: {job.error}")
        report.tries = sum(job.tries for job in jobs)
        single = {job.id for job in jobs if job.batch_id is None}
        if single | batches != set(self.accepted.values()):
            report.wrong.append("the jobs and batches are not those that the clients were told of")
        for about, ids in self.receiver.ids.items():
            if len(ids) != 1:
                report.wrong.append(f"the messages of {about} have the ids {sorted(ids)}")
        report.messages = self.receiver.count
        report.wrong += await unsound(gateway)
        report.eta_error = _eta_error(self.estimates, {job.id: job for job in jobs})


async def _reach(gateway: Gateway) -> None:
    async with gateway.database.reading() as session:
        await session.execute(text("SELECT 1"))


def _eta_error(estimates: list[tuple[str, float, float]], jobs: dict[str, Any]) -> float | None:
    errors = []
    for job_id, asked, left_s in estimates:
        job = jobs.get(job_id)
        if job is not None and job.state == "succeeded" and job.finished_at > asked:
            true_s = job.finished_at - asked
            errors.append(abs(left_s - true_s) / true_s)
    return round(median(errors), 3) if errors else None


def _dolls() -> list[bytes]:
    """Return a person and three garments that the real networks know."""
    world = draw_world(people=1, garments=3)
    return [*world.people, *(garment.picture for garment in world.garments)]


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@asynccontextmanager
async def _opened(settings: dict[str, Any]) -> AsyncIterator[tuple[Gateway, str]]:
    """Open the same database and store in this process, with an account; give them and a key."""
    gateway = await open_gateway(Settings.of(**settings), AsyncVitrine(transport=AsyncFakeTransport()))
    async with gateway.database.writing() as session:
        key = await key_with_credits(session, "soak", CREDITS)
    try:
        yield gateway, key
    finally:
        await gateway.close()


async def run_soak(plan: Plan) -> Report:
    """Run a soak in a folder that is thrown away, and return what it found.

    A database and a Vitrine server that are to be killed are started here. Raises RuntimeError where
    PostgreSQL is not installed.
    """
    draw = random.Random(plan.seed)
    with ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        others: dict[str, Victim] = {}
        if "database" in plan.victims:
            server = stack.enter_context(PostgreSQL())
            plan = replace(plan, database=server.database("soak"))
            others["database"] = Database(server, lambda: draw.uniform(0.0, AWAY_S))
        if "triton" in plan.victims:
            triton = stack.enter_context(supervised_triton())
            plan = replace(plan, triton=triton.grpc)
            others["triton"] = Triton(triton)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vitrine-gateway-soak-"))
        soak = Soak(plan, Path(folder), receiver)
        soak.others = others
        async with _opened(soak.settings) as (gateway, key):
            return await soak.run(gateway, key)
