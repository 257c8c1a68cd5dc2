"""Workers as processes of their own, on the client's fake: `worker_process.py DATA DATABASE_URL`.

Each line on stdin forks a worker, whose process id is printed. The imports are paid once.
"""

import asyncio
import os
import signal
import sys

from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine_gateway.gateway import open_gateway
from vitrine_gateway.jobs.worker import Worker
from vitrine_gateway.settings import Settings


class Slow(AsyncFakeTransport):
    """Takes nearly a second for each try-on."""

    async def stream(self, model, inputs, *, timeout_s, version=""):
        async for outputs in super().stream(model, inputs, timeout_s=timeout_s, version=version):
            await asyncio.sleep(0.03)
            yield outputs


async def work(data, database):
    """Run jobs until the process is killed."""
    settings = Settings.of(data=data, database=database, workers=2, lease_s=1.0, poll_s=0.05)
    await Worker(await open_gateway(settings, AsyncVitrine(transport=Slow()))).run()


signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed workers are collected by the kernel
for _ in sys.stdin:
    if (pid := os.fork()) == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in range(3):
            os.dup2(nothing, pipe)  # the pipes are the parent's
        asyncio.run(work(sys.argv[1], sys.argv[2]))
    print(pid, flush=True)
