"""The command line: parses, calls, prints. Heavy imports wait inside the commands, so `--help` answers at once."""

from __future__ import annotations

import atexit
import copy
import gc
import io
import os
import sys
import threading
from typing import Annotated

import typer
from typer.main import get_command_name

from depthflow.cli import cache, config, daemon, doctor, effects, make, models, presets, render, tui, watch
from depthflow.cli.depth import depth
from depthflow.cli.inspect import inspect
from depthflow.cli.job_control import cancel, pause, priority, resume, retry
from depthflow.cli.job_options import OnceCommand
from depthflow.cli.job_show import show
from depthflow.cli.jobs import jobs
from depthflow.cli.layers import layers
from depthflow.cli.submit import submit
from depthflow.cli.tail import tail
from depthflow.errors import Cancelled, DepthFlowError, told

EXIT_CODES = """
Exit codes: 0 ok · 2 wrong usage · 3 bad input · 4 it cannot be done here
(no OpenGL, ffmpeg or space; the name is taken; the size cannot be kept to) ·
5 some of several photos failed · 130 interrupted
"""

_OBJECTS = 100_000
"""New objects between two looks for garbage that holds itself; numpy's large arrays do not wait for that."""

app = typer.Typer(
    name="depthflow",
    help="Make one still image into a 2.5D parallax video.",
    epilog=EXIT_CODES,
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from depthflow import __version__

        typer.echo(f"depthflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            tui.open_app()
        else:
            typer.echo(context.get_help())
            raise typer.Exit(2)


app.command(epilog=EXIT_CODES, cls=OnceCommand)(render.render)
app.command(epilog=EXIT_CODES)(depth)
app.command(epilog=EXIT_CODES)(layers)
app.command()(make.make)
app.command()(inspect)
app.command(epilog=EXIT_CODES)(watch.watch)
app.command()(doctor.doctor)
app.command()(tui.tui)
app.command(epilog=EXIT_CODES, rich_help_panel="Jobs of the daemon", cls=OnceCommand)(submit)
for command in (jobs, show, tail, cancel, retry, pause, resume, priority):
    app.command(epilog=EXIT_CODES, rich_help_panel="Jobs of the daemon")(command)
app.add_typer(presets.presets, name="presets")
app.add_typer(presets.motions, name="motions")
app.add_typer(models.app, name="models")
app.add_typer(effects.effects, name="effects")
app.add_typer(config.app, name="config")
app.add_typer(cache.app, name="cache")
app.add_typer(daemon.app, name="daemon")


def main() -> None:
    """The program: run a command, and end the process."""
    try:
        run()
    except SystemExit as end:
        if end.code:
            _give_up_output()
            raise
    _end()


def _end() -> None:
    """End in success as Python does, but for taking itself apart, which takes 0.04 s once something was drawn."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as multiprocessing has it too
    atexit._run_exitfuncs()
    _give_up_output()
    os._exit(0)


def _give_up_output() -> None:
    """What could not be written is not tried again while Python ends: it would say so once more, and end with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, AttributeError):
        pass  # closed, or there is none


def run(program: typer.Typer = app) -> None:
    """Run a command; every error that is raised on purpose becomes one line, a hint, and its exit code."""
    # Python looks for cycles ever again while it loads modules, whose thousands of objects all stay, ...
    gc.set_threshold(_OBJECTS)
    # ... and several times over when it ends: 0.15 s for the objects of a process that drew something.
    atexit.register(gc.freeze)
    # A pool of threads for matrices takes 0.06 s to set up; ours are 4x4.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Whether a package extends pydantic is found out by reading the lists of all that is installed; nobody here does.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Names of files need not be text: what they have instead goes out as it came in.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        try:
            _narrowed(program, sys.argv[1:2])()
        except SystemExit as end:
            if not end.code and sys.stdout is not None:
                sys.stdout.flush()  # what cannot be written is told as any other trouble
            raise
    except Cancelled:
        _say("stopped; nothing half-written is left")
        sys.exit(Cancelled.exit_code)
    except KeyboardInterrupt:
        sys.exit(Cancelled.exit_code)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does.
        sys.stderr.close()
        sys.exit(0)
    except (DepthFlowError, OSError) as raised:
        # What the system refuses where nobody thought of it: a name that is too long, standard output on a full disk.
        error = told(raised)
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        sys.exit(error.exit_code)


def _narrowed(program: typer.Typer, asked: list[str]) -> typer.Typer:
    """The program with the command alone that is asked for, if there is one: each costs time, its options most."""
    narrowed = copy.copy(program)
    narrowed.registered_commands = [
        command
        for command in program.registered_commands
        if command.callback and [command.name or get_command_name(command.callback.__name__)] == asked
    ]
    narrowed.registered_groups = [group for group in program.registered_groups if [group.name] == asked]
    return narrowed if narrowed.registered_commands or narrowed.registered_groups else program


def _say(line: str) -> None:
    print(line, file=sys.stderr)
