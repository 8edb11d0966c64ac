"""`depthflow config`: shows and changes the user's settings. What a setting may be is known to depthflow.settings.

Imports wait inside the functions: `depthflow --help` reads this module and must answer at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Show and change your settings.", no_args_is_help=True)

_HEAD = """\
# Your DepthFlow settings; only what differs from the defaults belongs here.
# All keys, their values and where each comes from:  depthflow config show
# For example:
#
# [output]
# fps = 60
# size = "4k"
"""


@app.command()
def show(
    key: Annotated[str | None, typer.Argument(help="A key such as output.fps, or a section such as output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List settings, their values and where each comes from."""
    from depthflow.errors import UnknownNameError
    from depthflow.settings import KEYS, Settings, load_settings

    loaded = load_settings()
    keys = [k for k in KEYS if key is None or k == key or k.startswith(f"{key}.")]
    if not keys:
        raise UnknownNameError("setting", key or "", (*KEYS, *Settings.model_fields))
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        _print_json({k: {"value": loaded.value(k), "origin": loaded.origin[k]} for k in keys})
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("key", "value", "from", box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for k in keys:
        changed = loaded.origin[k] != "default"
        # Text, not str: rich would read [brackets] in a path as markup.
        row = (k, _toml(loaded.value(k)), loaded.origin[k])
        table.add_row(*(Text(cell, "bold" if changed else "") for cell in row))
    Console().print(table)


@app.command()
def path() -> None:
    """Print where your settings file is; it need not exist."""
    from depthflow.paths import user_config_file

    typer.echo(user_config_file())


@app.command(name="set")
def set_(
    key: Annotated[str, typer.Argument(help="Such as output.fps.")],
    value: Annotated[str, typer.Argument(help="Such as 60, true or 1080p; -- before a negative number.")],
) -> None:
    """Write one setting into your settings file."""
    import os

    from depthflow.paths import user_config_file
    from depthflow.settings import VARIABLES, set_value

    written = set_value(key, value)
    typer.echo(f"{key} = {_toml(written)}  ({user_config_file()})")
    for variable, name in VARIABLES.items():
        if name == key and os.environ.get(variable):
            typer.echo(f"warning: {variable} is set and wins over the file", err=True)
    _warn_of_other_mistakes()


@app.command()
def unset(key: Annotated[str, typer.Argument(help="Such as output.fps.")]) -> None:
    """Take one setting out of your settings file, so that its default holds again."""
    from depthflow.paths import user_config_file
    from depthflow.settings import unset_value

    file = user_config_file()
    if unset_value(key):
        typer.echo(f"{key} is out of {file}")
    else:
        typer.echo(f"{key} was not in {file}")
    _warn_of_other_mistakes()


@app.command()
def edit() -> None:
    """Open your settings file in $VISUAL or $EDITOR, then check it."""
    import subprocess

    from depthflow.errors import UsageError
    from depthflow.paths import user_config_file
    from depthflow.settings import load_settings
    from depthflow.settings_file import write_text

    file = user_config_file()
    command = _editor(file)
    if not file.exists():
        write_text(file, _HEAD)
    try:
        code = subprocess.run([*command, str(file)], check=False).returncode
    except OSError as error:
        raise UsageError(
            f"the editor {command[0]!r} cannot be started: {error.strerror or error}",
            f"set EDITOR to one that is installed, or open {file} yourself",
        ) from None
    if code != 0:
        raise UsageError(f"the editor {command[0]!r} ended with code {code}", f"the file is {file}")
    # What is wrong in the file is raised; variables are not the file's fault.
    load_settings(environ={})
    typer.echo(f"{file} is valid")


@app.command()
def schema() -> None:
    """Print the JSON schema of a settings file, for editors."""
    from depthflow.settings import json_schema

    _print_json(json_schema())


def _editor(file: Path) -> list[str]:
    """The user's editor as an argument list.

    Raises:
        UsageError: none is named and none of the usual ones is installed.
    """
    import os
    import shlex
    import shutil

    from depthflow.errors import UsageError

    for variable in ("VISUAL", "EDITOR"):
        if text := os.environ.get(variable, "").strip():
            try:
                # Backslashes separate folders on Windows; elsewhere they escape.
                words = shlex.split(text, posix=os.name != "nt")
            except ValueError as error:
                raise UsageError(f"{variable}={text!r} is not understood: {error}") from None
            if words:
                return [word.strip('"') for word in words] if os.name == "nt" else words
    for usual in ("notepad",) if os.name == "nt" else ("nano", "vi"):
        if found := shutil.which(usual):
            return [found]
    raise UsageError("no editor is known", f"set EDITOR, or open {file} yourself")


def _warn_of_other_mistakes() -> None:
    """The change is done; what else is wrong in the file is said, but is no failure of this command."""
    from depthflow.errors import UsageError
    from depthflow.settings import load_settings

    try:
        load_settings(environ={})
    except UsageError as error:
        typer.echo(f"warning: {error.message}" + (f"; {error.hint}" if error.hint else ""), err=True)


def _toml(value: Any) -> str:
    """The value as it reads in the file."""
    import tomli_w

    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def _print_json(data: Any) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
