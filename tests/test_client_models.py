"""The contract's models: requests are strict, answers may grow."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from depthflow_daemon import records
from pydantic import ValidationError

from depthflow.client.models import EVENT, FINAL_STATES, JobState, Progress, Submit

JOB = {"id": 7, "state": "done", "source": "/a.jpg", "added_at": "2026-11-22T10:00:00Z", "changed_at": 1763805600.0}


def test_the_contract_has_the_stores_states() -> None:
    assert get_args(JobState) == records.STATES
    assert frozenset(records.FINAL) == FINAL_STATES


def test_requests_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError, match="prio"):
        Submit.model_validate({"photo": "/a.jpg", "prio": 3})
    with pytest.raises(ValidationError, match="less than or equal to 100"):
        Submit(priority=101)


def test_answers_of_a_newer_daemon_are_understood() -> None:
    assert Progress.model_validate({"stage": "glue", "moon": "full"}).stage == "glue"


def test_an_event_is_of_its_kind() -> None:
    event = EVENT.validate_python({"kind": "state", "id": 1, "at": "2026-11-22T10:00:00Z", "what": "done", "job": JOB})
    assert event.kind == "state"
    assert event.job.ended
    assert event.job.added_at.tzinfo is not None
    event = EVENT.validate_json('{"kind": "progress", "job": 7, "progress": {"stage": "render", "done": 3}}')
    assert event.kind == "progress"
    assert event.progress.done == 3


def test_the_contract_needs_nothing_but_pydantic() -> None:
    heavy = "numpy", "fastapi", "httpx", "depthflow.jobs"
    code = f"import sys, depthflow.client.models\nprint([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
