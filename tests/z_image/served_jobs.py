"""Counts of the jobs in `denoise` of a served repository."""

import time
import urllib.request

WAIT_S = 30.0


def cancelled_jobs(server):
    """How many jobs of `denoise` were cancelled."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=30) as answer:
        rows = answer.read().decode().splitlines()
    return sum(
        int(float(row.split()[-1]))
        for row in rows
        if row.startswith("vitrine_denoise_jobs_total") and 'outcome="cancelled"' in row
    )


def wait_for_cancelled(server, count):
    """Return when so many were cancelled; AssertionError after WAIT_S, or for more."""
    deadline = time.monotonic() + WAIT_S
    while cancelled_jobs(server) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cancelled_jobs(server) == count
