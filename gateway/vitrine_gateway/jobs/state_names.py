"""The words for the states of jobs."""

from __future__ import annotations

from typing import Literal, get_args

State = Literal["queued", "running", "succeeded", "failed", "canceled"]
STATES: tuple[str, ...] = get_args(State)
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELED = STATES
ENDED = (SUCCEEDED, FAILED, CANCELED)
