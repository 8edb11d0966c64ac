"""`depthflow watch IN OUT`: the daemon for one folder, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from depthflow.cli.daemon import needs_extra


def watch(
    folder: Annotated[Path, typer.Argument(metavar="IN", help="Where photos are dropped, sub-folders too.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Where videos go, in the same sub-folders.")],
    preset: Annotated[str | None, typer.Option(help="Preset for all photos; rules in the folder change it.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Videos that are made at once.", show_default="one a GPU")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help='Where photos go after a rule after = "archive".', show_default="OUT/archive")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="File of the queue, on a local disk.", show_default="one for each IN")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when every photo has been dealt with.")] = False,
) -> None:
    """Watch a folder: each photo that is dropped into it becomes a video in another.

    Photos are taken when they are whole, each once, however often this is stopped and started. What is made of them
    can be said by a .depthflow.toml in the folder, by sub-folders named like presets, and by files beside the photos
    (docs/daemon.md). Ctrl-C lets running jobs end; a second one gives them back to the queue.
    """
    needs_extra()
    if once or folder.exists():
        _check(folder)
    from depthflow_daemon.config import ApiSettings, DaemonSettings, EngineSettings, FolderSettings
    from depthflow_daemon.logs import Log
    from depthflow_daemon.service import Service, store_for

    if preset is not None:
        from depthflow.jobs.library import load_preset

        load_preset(preset)
    place = FolderSettings(name="photos", input=folder, output=output, archive=archive, preset=preset)
    _ = place.place
    settings = DaemonSettings(
        store=store or store_for(folder),
        folders=(place,),
        engine=EngineSettings(workers=workers or "auto"),
        api=ApiSettings(socket="none"),
    )
    with Log(settings.logs):
        Service(settings, once=once).run()


def _check(folder: Path) -> None:
    """Raises InputError: nothing can be dropped there. A folder that is not there yet is waited for, but for `once`."""
    from depthflow.errors import InputError

    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {what}", "name the folder that photos are dropped into")
