"""A local daemon, a doctor's report, log lines and networks, as tests of System and Models use them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeLink, system

from depthflow.client.address import Address
from depthflow.tui import commands, model_list
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.commands import Result
from depthflow.tui.model_list import Row

SOCKET = Path("/run/user/1000/depthflow/depthflowd.sock")

REPORT: dict[str, Any] = {
    "version": "0.1.0",
    "ok": False,
    "checks": [
        {"name": "python", "status": "ok", "facts": {"version": "3.12.1", "bits": 64}, "problem": "", "mend": ""},
        {
            "name": "onnx",
            "status": "fail",
            "facts": {"packages": [], "version": ""},
            "problem": "ONNX Runtime is not installed",
            "mend": "pip install 'depthflow-studio[cpu]'",
        },
        {
            "name": "ffmpeg",
            "status": "warn",
            "facts": {
                "path": "/usr/bin/ffmpeg",
                "version": "7.1",
                "source": "system",
                "encoders": ["libx264", "libsvtav1", "png"],
                "hardware": ["h264_nvenc"],
                "refused": ["hevc_nvenc: No capable devices found"],
            },
            "problem": "nothing here encodes hevc10",
            "mend": "pip install imageio-ffmpeg",
        },
    ],
}

LOG = [
    "2026-11-26 11:58:01 INFO depthflowd 0.1.0 begins: process 4711",
    "2026-11-26 11:58:02 DEBUG looking at 2 folders",
    "2026-11-26 11:58:40 WARNING photos/[x].jpg: changed while it was read; waiting",
    "2026-11-26 11:59:07 ERROR job 3: photo3.jpg: not an image",
    "Traceback of a kind",
    '{"at": "2026-11-26T11:59:30.120+00:00", "level": "info", "message": "job 2 is done", "job": 2}',
]

ROWS = [
    Row(
        "builtin", "DepthFlow built-in", "builtin", True, 9.7, "AGPL-3.0-only", "unclear", "Not settled.",
        "Fast general network.", facts=(("source", "builtin"), ("tried here", "yes")),
    ),
    Row(
        "small", "A small one", "huggingface", False, 99.1, "Apache-2.0", "yes", "", "The best choice for most.",
        "fetch it with: depthflow models pull small", (("source", "huggingface"), ("repository", "someone/small")),
    ),
    Row(
        "large", "A large one", "huggingface", False, 1341.3, "CC-BY-NC-4.0", "no", "For research only.", "",
        "fetch it with: depthflow models pull large", (("source", "huggingface"),),
    ),
    Row(
        "made", "To be made", "export", False, 0.0, "MIT", "yes", get="make it with: depthflow models export a/b",
        facts=(("source", "export"),),
    ),
    Row("mine", "Of my own", "local", True, 12.0, "not stated", "unclear", facts=(("source", "local"),)),
]  # fmt: skip


def local_link(**answers: Any) -> FakeLink:
    """A daemon on this machine."""
    link = FakeLink(**answers)
    link.client.address = Address("http://depthflowd", SOCKET)
    engine = {"state": "running", "address": "local", "workers": 2, "restarts": 1, "memory_limit": "auto"}
    more = {"renderer": "llvmpipe (LLVM 15.0.6, 256 bits)", "disk_free_bytes": 80_000_000_000}
    link.system = system(link.scripted, engine=engine, encoders=["libx264", "png"], **more)
    return link


def local_app(**answers: Any) -> DepthFlowApp:
    return DepthFlowApp(link=local_link(**answers))  # type: ignore[arg-type]


class Scripted:
    """Stands in for processes: what was run, and what each gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.results: dict[str, Result] = {
            "doctor": Result(4, json.dumps(REPORT), ""),
            "verify": Result(0, json.dumps([{"name": "mine", "ok": True, "sha256": "", "text": "ran on cpu"}]), ""),
            "bench": Result(0, json.dumps([
                {"model": "mine", "provider": "cpu", "error": "", "size": [384, 256], "load_ms": 113.2,
                 "first_ms": 304.0, "median_ms": 182.4, "best_ms": 147.1},
                {"model": "mine", "provider": "cuda", "error": "no device"},
            ]), ""),
            "import": Result(0, "net: kept; use it: depthflow render PHOTO --model net\n", ""),
        }  # fmt: skip
        self.log = list(LOG)
        self.later = asyncio.Event()
        """The log goes on when it is set."""
        self.followers = 0
        monkeypatch.setattr(commands, "run", self.run)
        monkeypatch.setattr(commands, "lines", self.lines)

    async def run(self, *args: str, data: str = "") -> Result:
        self.ran.append(args)
        return next(self.results[word] for word in args if word in self.results)

    async def lines(self, *args: str) -> AsyncIterator[str]:
        self.ran.append(args)
        self.followers += 1
        try:
            for line in self.log:
                yield line
            await self.later.wait()
            yield "2026-11-26 12:00:00 INFO one more"
            await asyncio.Event().wait()
        finally:
            self.followers -= 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    """Own folders under short names, no process, and the networks of ROWS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", "config")
    (tmp_path / "config").mkdir()
    monkeypatch.setattr(model_list, "local_rows", lambda: (list(ROWS), "builtin"))
    return Scripted(monkeypatch)
