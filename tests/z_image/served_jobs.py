"""Counts of the jobs in `denoise` of a served repository."""

import time
import urllib.request

WAIT_S = 30.0


def cancelled_jobs(server):
    """How many jobs of `denoise` were cancelled."""
    return _sum(server, "vitrine_denoise_jobs_total", 'outcome="cancelled"')


def wait_for_cancelled(server, count):
    """Return when so many were cancelled; AssertionError after WAIT_S, or for more."""
    deadline = time.monotonic() + WAIT_S
    while cancelled_jobs(server) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cancelled_jobs(server) == count


def wait_for_running(server):
    """Return when a job is being denoised; AssertionError after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not _sum(server, "vitrine_denoise_running"):
        assert time.monotonic() < deadline, "no job was started"
        time.sleep(0.05)


def _sum(server, name, label=""):
    """The sum of a figure over the processes of a server, of the rows with a label."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=30) as answer:
        rows = answer.read().decode().splitlines()
    return sum(int(float(row.split()[-1])) for row in rows if row.startswith(name) and label in row)
