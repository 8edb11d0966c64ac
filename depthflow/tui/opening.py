"""Opens a file or a folder with the desktop's program for it, which is started by a list of arguments, not a shell."""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

from depthflow.errors import SystemError_

OPENERS = {"darwin": ("open",), "win32": ("explorer",)}
PATIENCE_S = 5.0


def opener(platform: str = sys.platform) -> list[str] | None:
    """The program that opens things; None if there is none, as on a server."""
    names = OPENERS.get(platform, ("xdg-open", "gio"))
    for name in names:
        if (found := shutil.which(name)) is not None:
            return [found, "open"] if name == "gio" else [found]
    return None


async def open_path(path: Path) -> None:
    """Raises SystemError_: there is no program for it, or it says no."""
    program = opener()
    if program is None:
        raise SystemError_(f"nothing here opens files; it is {path}", "install xdg-utils, or open it yourself")
    process = await asyncio.create_subprocess_exec(
        *program, str(path.absolute()), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
    )
    try:
        code = await asyncio.wait_for(process.wait(), PATIENCE_S)
    except TimeoutError:
        return  # some stay for as long as what they opened
    if code and sys.platform != "win32":  # explorer ends with 1 when all is well
        raise SystemError_(f"{Path(program[0]).name} could not open {path}", "has this machine a desktop?")


def download_place(name: str) -> Path:
    """A free name in the user's folder of downloads, or in the working folder."""
    downloads = Path.home() / "Downloads"
    folder = downloads if downloads.is_dir() else Path.cwd()
    target, number = folder / name, 2
    while target.exists():
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return target
