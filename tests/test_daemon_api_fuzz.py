"""The API fuzzed from its own contract: whatever comes in, nothing but what the contract says comes out.

What is drawn from the contract alone names no job, no folder and no photo that there is, and ends at the first look.
So most requests get names that are known here, and jobs are drawn from a whole JobSpec in which some values are others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from daemon_api import SMALL, Daemon, TwoFolders, daemon, picture
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from depthflow.jobs.spec import JobSpec


def no_fault_of_ours(context: Any, answer: schemathesis.Response, case: Case) -> None:
    """503 says that it is not possible now, as when too many previews run, and 507 that a disk is full."""
    assert answer.status_code < 500 or answer.status_code in (503, 507), answer.text


CHECKS: list[Any] = [
    no_fault_of_ours,
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
AT_ONCE = 25
"""Examples of one seed. Hypothesis alters what it has drawn before, and later ones take it ever longer."""

# -- what there is -----------------------------------------------------------------------------------------------------

UNSAID = {
    ("audio",), ("preset",), ("photo",), ("depth", "file"), ("depth", "mask"), ("motion", "tracks"),
    ("motion", "components"), ("camera", "relief"), ("render", "gl_device"), ("effects", "caption", "font"),
    ("effects", "watermark", "file"), *(("outputs", 0, name) for name in ("path", "format", "target_bytes", "bitrate")),
}  # fmt: skip
"""Places of a JobSpec that a plain one leaves empty."""


def leaves(data: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The ways to all single values."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, (dict, list)) and value:
            yield from leaves(value, (*way, key))
        yield (*way, key)


def values(root: Path) -> st.SearchStrategy[Any]:
    """What may stand at any place of a JobSpec: mostly what should not."""
    paths = [str(root / "new.mp4"), str(root / "photo-0.png"), str(root), f"{root}/../x", "/etc/passwd", "x.mp4", "~"]
    texts = ["", "a", "\0", "\ud800", "x" * 300, "orbital", "dolly", "mp4", "png", "64x48", "9999999x2", "720p", "#fff"]
    numbers = [0, -1, 1, 2, 0.5, 1e-9, 100, 10**6, 2**63, 10**30, 1e308, -1e308]
    return st.one_of(
        st.sampled_from([*paths, *texts]),
        st.sampled_from([*numbers, None, True, False, [], {}, [[]], {"a": 1}, [{}], ["a", 1]]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    )


@st.composite
def specs(draw: Callable[[Any], Any], root: Path) -> dict[str, Any]:
    """Parts of a JobSpec with other values at some places."""
    whole = JobSpec.parse({"photo": "/a.png", **SMALL}).to_dict()
    parts = draw(st.lists(st.sampled_from([name for name in whole if name not in ("version", "photo")]), unique=True))
    spec: dict[str, Any] = {"outputs": whole["outputs"], **{name: whole[name] for name in parts}}
    ways = sorted({*leaves(spec), *UNSAID}, key=str)
    for way in draw(st.lists(st.sampled_from(ways), max_size=3)):
        place: Any = spec
        for key in way[:-1]:
            if isinstance(place, dict):
                place = place.setdefault(key, {})
            else:
                place = place[0] if isinstance(place, list) and place else None
        if isinstance(place, dict):
            place[way[-1]] = draw(values(root))
    return spec


class Known:
    """The names that a daemon knows."""

    def __init__(self, own: Daemon) -> None:
        self.own = own
        photos = sorted(map(str, own.root.iterdir()))
        self.specs = specs(own.root)
        self.photos = st.sampled_from([*photos, str(own.root / "gone.png"), str(own.root)])
        self.preview: str | None = None
        self.presets = st.sampled_from(["cinematic", "cinematic", "no such preset"])

    def put_in(self, case: Case, draw: Callable[[Any], Any]) -> None:
        """Most names, and the body if it may have a spec, become such as there are."""
        for name in case.path_parameters or {}:
            if draw(st.integers(0, 9)):
                case.path_parameters[name] = draw(st.sampled_from(self._names(case.operation.path, name)))
        if not isinstance(case.body, dict) or not draw(st.integers(0, 9)):
            return
        if case.operation.label in ("POST /v1/jobs", "POST /v1/previews"):
            self._ask(case, draw)
        elif case.operation.label == "PATCH /v1/previews/{name}" and "spec" in case.body:
            case.body["spec"] = draw(self.specs)

    def _names(self, path: str, name: str) -> list[Any]:
        if name == "output":
            return [1, 1, 2]
        if name == "number":
            newest = self.own.store.page(limit=2)
            return [1, 2, 3, 4, 5, *(job.id for job in newest)]
        if path.endswith("/stream"):
            return ["gone"]  # it would not end
        if path.startswith("/v1/previews"):
            return self._previews()
        return ["a", "b", "c"] if path.startswith("/v1/folders") else ["cinematic", "gone"]

    def _previews(self) -> list[str]:
        photo = {"photo": str(self.own.root / "photo-0.png"), "spec": SMALL}
        if self.preview is None or self.own.client.get(f"/v1/previews/{self.preview}").status_code == 404:
            self.preview = self.own.done(self.own.client.post("/v1/previews", json=photo), 201)["id"]
        return [self.preview]

    def end(self, answer: schemathesis.Response) -> None:
        """A preview that was begun makes room for the next one."""
        if answer.status_code == 201 and (begun := answer.headers["location"][0]).startswith("/v1/previews"):
            self.own.done(self.own.client.delete(begun), 204)

    def _ask(self, case: Case, draw: Callable[[Any], Any]) -> None:
        # A request that is known already is not looked at.
        (case.headers or {}).pop("Idempotency-Key", None)
        asked = case.body
        if case.media_type == "multipart/form-data":
            asked = case.body["job"] = {}
            case.body["photo"] = draw(st.sampled_from([picture(0), picture(1), picture(2)[:200], b""]))
        else:
            asked["photo"] = draw(self.photos)
        asked["spec"] = draw(self.specs)
        if "preset" in asked:
            asked["preset"] = draw(self.presets)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A daemon with a job in every state, whose numbers are small, two folders and a preview."""
    folders = TwoFolders(tmp_path_factory.mktemp("folders"))
    with daemon(
        listen=("127.0.0.1", 0), token=TOKEN, body_bytes=100_000, upload_bytes=200_000, folders=folders, previews=2
    ) as own:
        for _ in range(5):
            own.submit()
        own.finish()
        own.fail()
        own.client.post("/v1/jobs/3/cancel")
        assert own.store.take("w") is not None
        yield Known(own)


def fuzz(known: Known, label: str, mode: GenerationMode, examples: int) -> None:
    base = f"http://127.0.0.1:{known.own.server.port}"
    drawn = OPERATIONS[label].as_strategy(generation_mode=mode)
    for first in range(0, examples, AT_ONCE):

        @seed(20261122 + first)
        @settings(
            max_examples=min(AT_ONCE, examples - first),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn, st.data())
        def one(case: Case, data: st.DataObject) -> None:
            known.put_in(case, data.draw)
            answer = case.call(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
            case.validate_response(answer, checks=CHECKS)
            known.end(answer)

        one()


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_answers_are_as_the_contract_has_them(fuzzed: Known, label: str, mode: GenerationMode) -> None:
    fuzz(fuzzed, label, mode, 8)


@pytest.mark.soak
@pytest.mark.parametrize(("label", "mode"), CASES)
def test_answers_are_as_the_contract_has_them_many_times(fuzzed: Known, label: str, mode: GenerationMode) -> None:
    fuzz(fuzzed, label, mode, 500)
