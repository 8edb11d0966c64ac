"""The API fuzzed from its own contract: whatever comes in, nothing but what the contract says comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from daemon_api import Daemon, daemon
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
TOKEN = "t"  # noqa: S105
CONTRACT = schemathesis.openapi.from_dict(
    json.loads((Path(__file__).parent.parent / "docs" / "openapi.json").read_text(encoding="utf-8"))
)
OPERATIONS = {
    operation.label: operation
    for operation in (found.ok() for found in CONTRACT.get_all_operations())
    # They have no end; their tests read them line by line.
    if not operation.label.endswith("/events")
}
# What takes nothing cannot be asked for wrongly.
CASES = [
    pytest.param(label, mode, id=f"{label} {mode.value}")
    for label, operation in OPERATIONS.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode == GenerationMode.POSITIVE or any(operation.iter_parameters()) or operation.body
]


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Daemon]:
    """A daemon with a job in every state, whose numbers are small."""
    with daemon(listen=("127.0.0.1", 0), token=TOKEN, body_bytes=100_000, upload_bytes=200_000) as own:
        for _ in range(5):
            own.submit()
        own.finish()
        own.fail()
        own.client.post("/v1/jobs/3/cancel")
        assert own.store.take("w") is not None
        yield own


def fuzz(own: Daemon, label: str, mode: GenerationMode, examples: int) -> None:
    base = f"http://127.0.0.1:{own.server.port}"

    @seed(20261122)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(OPERATIONS[label].as_strategy(generation_mode=mode))
    def one(case: Case) -> None:
        answer = case.call(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    one()


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_answers_are_as_the_contract_has_them(fuzzed: Daemon, label: str, mode: GenerationMode) -> None:
    fuzz(fuzzed, label, mode, 8)


@pytest.mark.soak
@pytest.mark.parametrize(("label", "mode"), CASES)
def test_answers_are_as_the_contract_has_them_many_times(fuzzed: Daemon, label: str, mode: GenerationMode) -> None:
    fuzz(fuzzed, label, mode, 500)
