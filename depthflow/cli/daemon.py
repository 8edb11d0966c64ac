"""`depthflow daemon ...` and `depthflowd`: look after the daemon. What it does is known to `depthflow_daemon`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.cli import daemon_folders
from depthflow.errors import DepthFlowError, RuntimeMissingError, SystemError_, UsageError

if TYPE_CHECKING:
    from depthflow_daemon.config import Loaded

    from depthflow.client import Client

app = typer.Typer(help="Start, stop and look after depthflowd, the daemon.", no_args_is_help=True)
app.add_typer(daemon_folders.app, name="folders")

_ANSWER_SECONDS = 3.0
"""For one try; the client makes four."""
NOT_RUNNING = 3
"""Exit code of `status` where no daemon runs, as systemctl has it."""

KEPT_SHOWN = 3
"""So many photos of a folder are named that wait for somebody to do something."""

File = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings.", show_default="your depthflowd.toml")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def needs_extra() -> None:
    """Raises RuntimeMissingError: the extra `daemon` is not installed."""
    from importlib.util import find_spec

    for name in ("distributed", "fastapi", "psutil", "uvicorn", "watchdog"):
        if find_spec(name) is None:
            raise RuntimeMissingError(f"{name} is not installed", "pip install 'depthflow-studio[daemon]'")


def _loaded(file: Path | None) -> Loaded:
    needs_extra()
    from depthflow_daemon.config import load

    return load(file)


@app.command()
def run(
    config: File = None,
    log_file: Annotated[Path | None, typer.Option(help="Write the log here instead of logs.file.")] = None,
    root: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Take paths from here too, besides api.roots.")
    ] = None,
    leash: Annotated[
        bool, typer.Option("--leash", help="End when standard input is closed and nobody follows jobs any more.")
    ] = False,
) -> None:
    """Run the daemon in the foreground: watched folders, queue, engine and API, until a signal.

    Ctrl-C or SIGTERM takes no more jobs and lets running ones end for a while (drain_seconds); a second one gives them
    back to the queue. SIGHUP reads the folders again. With --leash, which is for programs that start it, the log goes
    where that of a daemon in the background does.
    """
    loaded = _loaded(config)
    from depthflow_daemon import background
    from depthflow_daemon.config import load
    from depthflow_daemon.logs import Log
    from depthflow_daemon.service import Service

    settings = loaded.settings
    if leash and log_file is None:
        log_file = background.log_file(loaded)
    logs = settings.logs if log_file is None else settings.logs.model_copy(update={"file": log_file.absolute()})
    roots = (*settings.api.roots, *(folder.absolute() for folder in root or ()))
    settings = settings.model_copy(update={"api": settings.api.model_copy(update={"roots": roots})})
    with Log(logs):
        Service(settings, reload=lambda: load(config).settings, leashed=leash).run()


@app.command()
def start(config: File = None) -> None:
    """Start the daemon in the background; returns when it answers, or says why it does not."""
    loaded = _loaded(config)
    from depthflow_daemon import background

    started = background.start(loaded)
    typer.echo(f"depthflowd runs: process {started.pid}, log {started.log}")


@app.command()
def stop(
    config: File = None,
    now: Annotated[bool, typer.Option("--now", help="Give running jobs back to the queue at once.")] = False,
) -> None:
    """End the daemon: it takes no more jobs, and running ones may end first."""
    loaded = _loaded(config)
    from depthflow_daemon import background

    pid = background.stop(loaded, now=now)
    typer.echo("no daemon runs" if pid is None else f"process {pid} has ended")


@app.command()
def reload(config: File = None) -> None:
    """Have the daemon read its folders again."""
    loaded = _loaded(config)
    from depthflow_daemon import background

    pid = background.reload(loaded)
    if pid is None:
        raise SystemError_("no daemon runs", "depthflow daemon start")
    typer.echo(f"process {pid} reads its settings again; its log tells what it found")


@app.command()
def drain(config: File = None) -> None:
    """Have the daemon take no more jobs and end when the running ones have, however long they take."""
    with _client(_loaded(config)) as client:
        client.drain()
        running = client.system().jobs["running"]
    typer.echo(f"no more jobs begin; the daemon ends when {running} running ones have")


@app.command()
def status(config: File = None, as_json: Json = False) -> None:
    """Tell how the daemon is. Exit code 3 if none runs, 4 if it does not answer."""
    loaded = _loaded(config)
    from depthflow_daemon import background

    pid = background.running(loaded)
    found: dict[str, Any] = {"running": pid is not None, "pid": pid, "queue": str(loaded.settings.store_file)}
    trouble = None
    try:
        with _client(loaded) as client:
            system = client.system()
            found |= {"running": True, "pid": system.pid, "address": str(client.address)}
            found["system"] = system.model_dump(mode="json")
            found["folders"] = [
                {**folder.model_dump(mode="json"), "kept": _kept(client, folder.name)} for folder in client.folders()
            ]
    except DepthFlowError as error:
        trouble = error
    _print_status(found, trouble, as_json)
    if not found["running"]:
        raise typer.Exit(NOT_RUNNING)
    if trouble is not None and _has_api(loaded):
        raise trouble


def _kept(client: Client, folder: str) -> list[dict[str, str]]:
    """Photos that wait for somebody to do something about them, each with what."""
    photos = client.waiting_photos(folder).items
    return [{"photo": each.path, "why": each.why} for each in photos if each.kind in ("rules", "unreadable")]


def _print_status(found: dict[str, Any], trouble: DepthFlowError | None, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps({**found, "answers": trouble is None}, indent=2))
        return
    if not found["running"]:
        typer.echo("no daemon runs (depthflow daemon start)")
        return
    system = found.get("system")
    if system is None:
        typer.echo(f"depthflowd runs: process {found['pid']}")
        return
    word = ", draining" if system["draining"] else ", paused" if system["paused"] else ""
    typer.echo(f"depthflowd {system['version']} runs{word}: process {system['pid']}, {found['address']}")
    jobs = ", ".join(f"{count} {state}" for state, count in system["jobs"].items() if count)
    typer.echo(f"jobs     {jobs or 'none'}")
    busy = sum(worker["state"] == "busy" for worker in system["workers"])
    typer.echo(f"workers  {len(system['workers'])} warm, {busy} busy")
    for folder in found["folders"]:
        notes = [name for name in ("paused", "polling") if folder[name]] + ([] if folder["there"] else ["not there"])
        waits = f", {folder['pending']} photos are waited for" if folder["pending"] else ""
        typer.echo(f"folder   {folder['name']}: {folder['root']} -> {folder['output']}{waits}"
                   + (f" ({', '.join(notes)})" if notes else ""))  # fmt: skip
        for kept in folder["kept"][:KEPT_SHOWN]:
            typer.echo(f"         {kept['photo']} waits: {kept['why']}")
        if more := len(folder["kept"][KEPT_SHOWN:]):
            typer.echo(f"         {more} more wait for such reasons")


@app.command()
def logs(
    config: File = None,
    lines: Annotated[int, typer.Option("-n", min=0, max=1_000_000, help="So many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("-f", help="And those to come.")] = False,
) -> None:
    """Show the log of a daemon that runs in the background."""
    loaded = _loaded(config)
    from depthflow_daemon import background

    for line in background.follow(background.log_file(loaded), lines=lines, go_on=follow):
        typer.echo(line, nl=False)


@app.command()
def install(
    config: File = None,
    system: Annotated[bool, typer.Option("--system", help="For the whole machine, instead of for you.")] = False,
    user: Annotated[str, typer.Option(metavar="NAME", help="Who runs it, with --system.")] = "depthflow",
    show: Annotated[bool, typer.Option("--print", help="Print the unit instead of writing it.")] = False,
) -> None:
    """Write a systemd unit, so that the daemon starts with your session or with the machine.

    For macOS and Windows see docs/daemon.md.
    """
    loaded = _loaded(config)
    from depthflow_daemon import units

    unit = units.unit(loaded, system=system, user=user)
    if show:
        typer.echo(unit, nl=False)
        return
    place = units.write(unit, system=system)
    typer.echo(f"{place} is written. Start it, now and from now on:")
    for command in units.commands(system=system):
        typer.echo(f"  {command}")


@app.command()
def config(
    file: Annotated[Path | None, typer.Argument(help="For --check.", show_default="the user's depthflowd.toml")] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong in a settings file.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a settings file.")] = False,
    path: Annotated[bool, typer.Option("--path", help="Print where your settings file is; it need not exist.")] = False,
) -> None:
    """Print a commented sample of the daemon's settings, or check yours."""
    import json

    needs_extra()
    from depthflow_daemon import config

    if check:
        loaded = config.load(file)
        there = "valid" if loaded.file.exists() else "not there: the defaults hold"
        typer.echo(f"{loaded.file} is {there}; {len(loaded.settings.folders)} watched folders")
    elif schema:
        typer.echo(json.dumps(config.json_schema(), indent=2))
    elif path:
        typer.echo(config.settings_file())
    else:
        typer.echo(config.sample().read_text(encoding="utf-8"), nl=False)


def _has_api(loaded: Loaded) -> bool:
    return loaded.settings.api.socket != "none" or bool(loaded.settings.api.listen)


def _client(loaded: Loaded) -> Client:
    """Of the daemon with these settings.

    Raises:
        UsageError: it has no API.
    """
    from depthflow.client import Client

    api = loaded.settings.api
    if api.socket not in ("auto", "none"):
        return Client(f"unix://{api.socket}", timeout=_ANSWER_SECONDS)
    if api.socket == "auto":
        return Client(timeout=_ANSWER_SECONDS)
    if not api.listen:
        raise UsageError("this daemon has no API", "set api.socket or api.listen in its settings")
    from depthflow_daemon.config import host_and_port
    from depthflow_daemon.logs import secret_in

    token = secret_in(api.token_file) if api.token_file is not None else None
    host, port = host_and_port(api.listen)
    # All addresses of a machine are none that can be asked.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return Client(f"http://{f'[{host}]' if ':' in host else host}:{port}", token=token, timeout=_ANSWER_SECONDS)


def depthflowd() -> None:
    """The program `depthflowd`: `depthflow daemon run`."""
    from depthflow.cli import run as run_command

    alone = typer.Typer(
        name="depthflowd", add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    alone.command()(run)
    run_command(alone)
