"""Counts of the jobs in `denoise` of a served repository."""

import time

from vitrine_measure.load.watch import scrape, total

WAIT_S = 30.0


def cancelled_jobs(server):
    """How many jobs of `denoise` were cancelled."""
    figures = scrape(server.metrics).items()
    return sum(
        int(value)
        for name, value in figures
        if name.startswith("vitrine_denoise_jobs_total") and 'outcome="cancelled"' in name
    )


def wait_for_cancelled(server, count):
    """Return when so many were cancelled; AssertionError after WAIT_S, or for more."""
    deadline = time.monotonic() + WAIT_S
    while cancelled_jobs(server) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cancelled_jobs(server) == count


def wait_for_running(server):
    """Return when a job is being denoised; AssertionError after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not total(scrape(server.metrics), "vitrine_denoise_running"):
        assert time.monotonic() < deadline, "no job was started"
        time.sleep(0.05)
