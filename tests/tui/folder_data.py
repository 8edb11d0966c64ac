"""Watched folders for the interface's tests, as a daemon would tell them; no clock, no process."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import NOW, FakeLink

from depthflow.client.address import Address
from depthflow.client.models import Folder, FolderLine, Preset, Waiting, WaitingPhotos
from depthflow.tui import commands
from depthflow.tui.commands import Result

HOME = Path("/home/ada")

RULES = """# The family's photos: slow and calm.
preset = "documentary"
after = "archive"             # they go to the attic

[settle]
mode = "rename"

[output]
fps = 25

[[outputs]]
format = "mp4"
[[outputs]]
format = "gif"
"""


def folder(name: str, **more: Any) -> Folder:
    facts = {
        "name": name,
        "root": f"{HOME}/Pictures/{name}",
        "output": f"{HOME}/Videos/{name}",
        "archive": f"{HOME}/Videos/{name}/archive",
        **more,
    }
    return Folder.model_validate(facts)


def some_folders() -> list[Folder]:
    """One in each state."""
    return [
        folder("holidays", preset="cinematic", pending=3, jobs={"queued": 2, "running": 1, "done": 128, "failed": 1}),
        folder("scans", root="/mnt/nas/scans/incoming", polling=True, jobs={"done": 5123, "skipped": 12}),
        folder("phone", paused=True, pending=17, preset="gentle"),
        folder("card-reader", root="/media/ada/EOS_DIGITAL/DCIM", there=False),
    ]


def some_waiting() -> WaitingPhotos:
    def one(path: str, kind: str, why: str) -> Waiting:
        return Waiting(path=path, since=NOW, kind=kind, why=why)

    items = [
        one("IMG_2041.jpg", "writing", "still being written: changed 2 s ago; taken after 5 s without a change"),
        one("Ünïcödé 山 [1].jpg", "sentinel", "waits for Ünïcödé 山 [1].jpg.done"),
        one("raw/half.png", "unreadable", "not readable yet, tried 3 times: the file ends too early"),
    ]
    return WaitingPhotos(items=items, total=3)


def some_lines() -> list[FolderLine]:
    kinds = [
        ("started", 131, "IMG_2040.jpg", {"attempt": 1}),
        ("added", 131, "IMG_2040.jpg", {}),
        ("done", 130, "beach/IMG_2039.jpg", {}),
        ("failed", 129, "IMG_2038.jpg", {"error": "IMG_2038.jpg: not an image", "cause": "permanent"}),
        ("folder-resumed", None, "", {"folder": "holidays"}),
        ("done", 128, "IMG_2037.jpg", {}),
    ]
    return [
        FolderLine(
            id=100 - number, at=NOW - timedelta(minutes=7 * number), job=job, kind=kind, data=data, source=source
        )
        for number, (kind, job, source, data) in enumerate(kinds)
    ]


def rules_said(name: str = "holidays", text: str = RULES, **more: Any) -> dict[str, Any]:
    """What `depthflow daemon folders rules NAME --json` prints."""
    return {
        "folder": name, "file": f"{HOME}/Pictures/{name}/.depthflow.toml", "text": text, "there": bool(text),
        "valid": True, "preset": "documentary", "after": "archive", "settle": {"mode": "rename"},
        "outputs": ["mp4", "gif"], "other": ["output"], "wrong": None, "photos": 12,
        "preset_folders": ["cinematic", "beach/night"], "rule_files": [".", "raw"], "whole": True, **more,
    }  # fmt: skip


def refusal(message: str, hint: str = "", code: int = 2) -> Result:
    """How a command refuses."""
    return Result(code, "", f"error: {message}\n  hint: {hint}\n")


class Commands:
    """Stands in for the commands that the screen runs: notes them, and answers from a script by their third word."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.data: list[str] = []
        self.answers: dict[str, Result | dict[str, Any]] = {"rules": rules_said()}
        monkeypatch.setattr(commands, "run", self._run)

    async def _run(self, *args: str, data: str = "") -> Result:
        self.ran.append(args)
        self.data.append(data)
        answer = self.answers.get(args[2], refusal(f"no script for {args}"))
        return answer if isinstance(answer, Result) else Result(0, json.dumps(answer), "")

    def asked(self, name: str) -> list[tuple[str, ...]]:
        """The commands of that name, without their first three words."""
        return [args[3:] for args in self.ran if args[2] == name]


def scripted(folders: list[Folder] | None = None, *, here: bool = True) -> FakeLink:
    """A link to a daemon with folders, on this machine or another."""
    link = FakeLink(
        folders=some_folders() if folders is None else folders,
        waiting_photos=some_waiting(),
        folder_log=some_lines(),
        presets=[
            Preset(name=name, description="", source="builtin") for name in ("cinematic", "gentle", "documentary")
        ],
        pause_folder=lambda name: folder(name, paused=True),
        resume_folder=lambda name: folder(name),
        rescan_folder=lambda name: folder(name),
    )
    socket = Path("/run/depthflowd.sock") if here else None
    link.client.address = Address("http://depthflowd" if here else "http://studio.local:8380", socket)
    return link


def noon() -> datetime:
    return NOW


async def settled(pilot: Any) -> None:
    """Until nothing is asked or run any more; open sheets stay open."""
    await pilot.pause()
    while [each for each in pilot.app.workers if each.group not in ("default", "sheet")]:
        await pilot.pause()
