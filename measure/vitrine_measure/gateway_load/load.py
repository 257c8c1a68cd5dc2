"""The load and its figures."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from vitrine_measure.gateway_load.wire import Connection
from vitrine_measure.load.world import draw_world

POLLED = ("/v1/jobs/{}", "/status/{}", "/api/queue/job/vto/{}")


@dataclass(frozen=True)
class Plan:
    """What a load does."""

    clients: int = 300
    streams: int = 50
    every_s: float = 2.0  # between two polls of a client
    waiting: int = 40  # jobs that wait behind those that run
    steps: int = 50
    seconds: float = 60.0
    cancels: int = 10


@dataclass
class Figures:
    """Seconds of answers by route, and of cancellations with the steps' own time."""

    answers: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    events: int = 0
    ended: int = 0  # jobs
    cancels: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Return the figures in milliseconds."""
        every = [one for several in self.answers.values() for one in several]
        return {
            "answers": {name: _spread(several) for name, several in sorted(self.answers.items())},
            "every answer": _spread(every),
            "events": self.events,
            "jobs that ended": self.ended,
            "wrong": dict(self.wrong),
            "cancel to end": _spread(self.cancels),
            "a step": _spread(self.step_s),
        }


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)
    ms = {
        name: ordered[min(int(len(ordered) * at), len(ordered) - 1)]
        for name, at in (("p50", 0.5), ("p99", 0.99))
    }
    return {
        "count": len(ordered),
        **{name: round(1000 * one, 1) for name, one in {**ms, "max": ordered[-1]}.items()},
    }


class Load:
    """One load on a gateway."""

    def __init__(self, plan: Plan, port: int, key: str) -> None:
        self._plan, self._port, self._key = plan, port, key
        self._draw, self.figures = random.Random(0), Figures()
        world = draw_world(people=1, garments=1)
        pictures = {"person": world.people[0], "garment": world.garments[0].picture}
        self._pictures = {name: base64.b64encode(one).decode() for name, one in pictures.items()}
        self._open: list[str] = []  # jobs that have not ended, the oldest first
        self._over = False

    async def run(self) -> Figures:
        """Fill the queue, load, cancel, and return the figures."""
        feeding = asyncio.create_task(self._feed())
        while len(self._open) < self._plan.waiting:
            await asyncio.sleep(0.1)
        tasks = [asyncio.create_task(self._poll()) for _ in range(self._plan.clients)]
        tasks += [asyncio.create_task(self._stream()) for _ in range(self._plan.streams)]
        until = time.monotonic() + self._plan.seconds
        await self._cancel_some()
        await asyncio.sleep(max(until - time.monotonic(), 0.0))
        self._over = True
        for task in (*tasks, feeding):
            task.cancel()
        await asyncio.gather(*tasks, feeding, return_exceptions=True)
        return self.figures

    async def _call(self, http: Connection, method: str, path: str, name: str, body: Any = None) -> Any:
        begun = time.perf_counter()
        status, answer = await http.call(method, path, body)
        self.figures.answers[f"{method} {name}"].append(time.perf_counter() - begun)
        if status not in (200, 201, 202, 409):
            self.figures.wrong[f"{method} {name} {status}"] += 1
        return answer

    async def _feed(self) -> None:
        """Submit jobs so that some always wait."""
        http = Connection(self._port, self._key)
        while not self._over:
            if len(self._open) >= self._plan.waiting:
                await asyncio.sleep(0.05)
                continue
            inputs = {**self._pictures, "steps": self._plan.steps, "seed": self._draw.randrange(10**6)}
            job = await self._call(http, "POST", "/v1/jobs", "/v1/jobs", {"inputs": inputs})
            self._open.append(job["id"])

    async def _poll(self) -> None:
        """Be a client that asks for a job's state until it has ended, then for another one's."""
        http = Connection(self._port, self._key)
        await asyncio.sleep(self._draw.uniform(0, self._plan.every_s))
        while True:
            job_id = self._draw.choice(self._open)
            path = self._draw.choice(POLLED)
            while job_id in self._open:
                answer = await self._call(http, "GET", path.format(job_id), path)
                if (answer.get("status") or answer.get("state")) in (
                    "succeeded",
                    "canceled",
                    "failed",
                    "completed",
                ):
                    self._close(job_id)
                await asyncio.sleep(self._plan.every_s * self._draw.uniform(0.8, 1.2))

    async def _stream(self) -> None:
        """Be a client that follows a job's events to its end, then another one's."""
        while True:
            job_id = self._draw.choice(self._open)
            http = Connection(self._port, self._key)
            async for _ in http.events(f"/v1/jobs/{job_id}/events"):
                self.figures.events += 1
            self._close(job_id)
            http.close()

    def _close(self, job_id: str) -> None:
        if job_id in self._open:
            self._open.remove(job_id)
            self.figures.ended += 1

    async def _cancel_some(self) -> None:
        """Cancel jobs that run, and take the time until they have ended; take the time of their steps."""
        http = Connection(self._port, self._key)
        for _ in range(self._plan.cancels):
            await asyncio.sleep(self._plan.seconds / self._plan.cancels / 2)
            job = await self._running(http)
            if job is None:
                continue
            begun = time.perf_counter()
            await self._call(http, "POST", f"/v1/jobs/{job['id']}/cancel", "/v1/jobs/{}/cancel")
            while True:
                _, seen = await http.call("GET", f"/v1/jobs/{job['id']}")
                if seen["finished_at"]:
                    break
                await asyncio.sleep(0.005)
            if seen["status"] == "canceled":
                self.figures.cancels.append(time.perf_counter() - begun)

    async def _running(self, http: Connection) -> dict[str, Any] | None:
        """Return a job that has begun and is not nearly done; note how long its steps take."""
        for _ in range(200):
            _, page = await http.call("GET", "/v1/jobs?status=running&limit=8")
            for job in page["data"]:
                told = job["progress"] or {}
                if told.get("left_s") and 2 <= told["step"] < told["steps"] * 0.7:
                    self.figures.step_s.append(told["left_s"] / (told["steps"] - told["step"]))
                    return dict(job)
                if told.get("left_s") == 0 and 2 <= told["step"] < told["steps"] * 0.7:
                    return dict(job)  # the fake says that nothing is left
            await asyncio.sleep(0.05)
        return None
