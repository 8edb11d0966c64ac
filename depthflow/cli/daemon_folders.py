"""`depthflow daemon folders ...`: the watched folders in the daemon's settings file, and the rules that lie in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.errors import InputError, SystemError_, UnknownNameError, UsageError

if TYPE_CHECKING:
    from depthflow_daemon.config import DaemonSettings, FolderSettings, Loaded

app = typer.Typer(
    help="List, add, change and remove watched folders; comments and layout of your depthflowd.toml stay.",
    no_args_is_help=True,
)

File = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings.", show_default="your depthflowd.toml")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check, and print what would be written; change nothing.")]
Create = Annotated[bool, typer.Option("--create", help="Make the folder of the photos if it is not there.")]
FolderName = Annotated[str, typer.Argument(metavar="NAME", help="The folder's name.", show_default=False)]


@app.command(name="list")
def list_(config: File = None, as_json: Json = False) -> None:
    """List the folders of the settings file. What they do just now `depthflow daemon status` tells."""
    file, _, settings = _read(config)
    if as_json:
        typer.echo(json.dumps({"file": str(file), "folders": [_facts(each) for each in settings.folders]}, indent=2))
        return
    if not settings.folders:
        typer.echo(f"{file} has no folders (depthflow daemon folders add IN OUT)")
    for folder in settings.folders:
        typer.echo(_line(folder))


@app.command()
def add(
    photos: Annotated[Path, typer.Argument(metavar="IN", help="Where photos are dropped.", show_default=False)],
    results: Annotated[Path, typer.Argument(metavar="OUT", help="Where results go.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="In lists and in the API.", show_default="made of IN")
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="For all its photos.")] = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of photos that a rule archives.", show_default="OUT/archive")
    ] = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="See its photos, and take none until it is resumed.")
    ] = False,
    create: Create = False,
    dry_run: DryRun = False,
    config: File = None,
    as_json: Json = False,
) -> None:
    """Watch a further folder, with all that is below it. A daemon that runs begins at once."""
    file, text, settings = _read(config)
    item = {
        "name": name or _name_for(photos, [folder.name for folder in settings.folders]),
        "in": _absolute(photos),
        "out": _absolute(results),
        "archive": None if archive is None else _absolute(archive),
        "preset": preset,
        "paused": True if paused else None,
    }
    from depthflow.toml_edit import add_item

    edited = add_item(text, "folders", {key: value for key, value in item.items() if value is not None})
    _finish(file, edited, str(item["name"]), "watched", create=create, dry_run=dry_run, as_json=as_json)


@app.command(name="set")
def set_(
    name: FolderName,
    rename: Annotated[str | None, typer.Option("--name", metavar="NEW", help="Another name.")] = None,
    photos: Annotated[Path | None, typer.Option("--in", metavar="FOLDER", help="Where photos are dropped.")] = None,
    results: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Where results go.")] = None,
    archive: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Of photos that a rule archives.")] = None,
    no_archive: Annotated[bool, typer.Option("--no-archive", help="OUT/archive again.")] = False,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="For all its photos.")] = None,
    no_preset: Annotated[bool, typer.Option("--no-preset", help="None any more.")] = False,
    paused: Annotated[bool | None, typer.Option("--paused/--no-paused", help="From the daemon's start.")] = None,
    create: Create = False,
    dry_run: DryRun = False,
    config: File = None,
    as_json: Json = False,
) -> None:
    """Change what the settings say of a folder; what is not named stays."""
    for given, taken, option in ((archive, no_archive, "archive"), (preset, no_preset, "preset")):
        if given is not None and taken:
            raise UsageError(f"--{option} and --no-{option} exclude each other", "leave one of them out")
    file, text, number = _find(config, name)
    changes: dict[str, Any] = {
        key: value if isinstance(value, str) else _absolute(value)
        for key, value in (("name", rename), ("in", photos), ("out", results), ("archive", archive), ("preset", preset))
        if value is not None
    }
    changes |= {key: None for key, taken in (("archive", no_archive), ("preset", no_preset)) if taken}
    if paused is not None:
        changes["paused"] = paused
    if not changes:
        raise UsageError("nothing to change", "name what to change, such as --preset cinematic")
    from depthflow.toml_edit import change_item

    edited = change_item(text, "folders", number, changes)
    _finish(file, edited, rename or name, "changed", create=create, dry_run=dry_run, as_json=as_json)


@app.command()
def remove(name: FolderName, dry_run: DryRun = False, config: File = None, as_json: Json = False) -> None:
    """Watch a folder no longer. Its photos and results stay, and jobs that are queued are made."""
    file, text, number = _find(config, name)
    from depthflow.toml_edit import remove_item

    _finish(file, remove_item(text, "folders", number), name, "not watched any more", dry_run=dry_run, as_json=as_json)


@app.command()
def rules(
    name: FolderName,
    within: Annotated[str, typer.Option("--within", metavar="FOLDER", help="A sub-folder of it.")] = ".",
    set_rule: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as after=archive, settle.mode=rename.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Take a key out.")] = None,
    outputs: Annotated[
        str | None, typer.Option(metavar="FORMATS", help="Files of each photo, such as mp4,gif.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write what comes on standard input.")] = False,
    dry_run: DryRun = False,
    config: File = None,
    as_json: Json = False,
) -> None:
    """Show or change the rules that lie in a folder (.depthflow.toml); what is wrong is not written."""
    folder = _named(_read(config)[2], name)
    from depthflow_daemon.survey import mistake_in, survey
    from depthflow_daemon.watch import RULES_FILE

    from depthflow.settings_file import read_text, write_text

    root = folder.input.resolve()
    file = (root / within / RULES_FILE).resolve()
    if not file.is_relative_to(root) or not file.parent.is_dir():
        raise UsageError(f"{within}: no folder in {root}", "name one that is there, relative to it")
    text = before = read_text(file)
    if write:
        text = sys.stdin.buffer.read().decode("utf-8-sig").replace("\r\n", "\n")
    text = _with_outputs(_with_rules(text, file, set_rule or [], unset or []), outputs)
    wrong = mistake_in(text, file, folder.preset)
    changes = write or bool(set_rule or unset) or outputs is not None
    if changes and wrong is None and not dry_run and text != before:
        write_text(file, text)
    found = survey(folder.input, (folder.place.output, folder.place.archive))
    facts = {
        "folder": name, "file": str(file), "text": text, "there": file.exists(), **_rule_facts(text, wrong is None),
        "wrong": None if wrong is None else asdict(wrong), **asdict(found),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    elif wrong is None:
        typer.echo(text or f"# {file} is not there: the preset and your settings hold", nl=not text)
    if wrong is not None and (changes or not as_json):
        line = "" if wrong.line is None or "at line" in wrong.message else f" (line {wrong.line})"
        raise UsageError(wrong.message + line, wrong.hint)


# -- pieces --------------------------------------------------------------------------------------------------------


def _read(config: Path | None) -> tuple[Path, str, DaemonSettings]:
    """The settings file, its text, and what it says."""
    from depthflow.cli.daemon import needs_extra

    needs_extra()
    from depthflow_daemon.config import load

    from depthflow.settings_file import read_text

    loaded = load(config)
    return loaded.file, read_text(loaded.file), loaded.settings


def _named(settings: DaemonSettings, name: str) -> FolderSettings:
    for folder in settings.folders:
        if folder.name == name:
            return folder
    raise UnknownNameError("folder", name, [folder.name for folder in settings.folders])


def _find(config: Path | None, name: str) -> tuple[Path, str, int]:
    """The settings file, its text, and the number of a folder in it. The file may be wrong as long as it is TOML."""
    from depthflow.cli.daemon import needs_extra

    needs_extra()
    from depthflow_daemon.config import settings_file

    from depthflow.paths import expanded
    from depthflow.settings_file import parse_text, read_text

    file = expanded(config or settings_file())
    text = read_text(file)
    folders = parse_text(text, file).get("folders", [])
    names = [str(each.get("name")) if isinstance(each, dict) else "" for each in folders]
    if name not in names:
        raise UnknownNameError("folder", name, names)
    return file, text, names.index(name)


def _finish(file: Path, text: str, name: str, done: str, *, create: bool = False, dry_run: bool, as_json: bool) -> None:
    """Check the new text, write it, and have a running daemon read it."""
    from depthflow_daemon.config import Loaded, parse
    from depthflow_daemon.survey import survey

    from depthflow.settings_file import parse_text, write_text

    settings = parse(parse_text(text, file), file)
    folder = next((each for each in settings.folders if each.name == name), None)
    facts: dict[str, Any] = {"done": done, "file": str(file), "name": name, "text": text}
    if folder is not None:
        _check_place(folder.input, create=create)
        facts |= _facts(folder)
        facts["found"] = asdict(survey(folder.input, (folder.place.output, folder.place.archive)))
    pid = None
    if not dry_run:
        if folder is not None:
            _make(folder.input)
        write_text(file, text)
        pid = _reload(Loaded(settings, file))
    facts |= {"written": not dry_run, "daemon": pid}
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    elif dry_run:
        typer.echo(text, nl=False)
        _say_found(facts)
    else:
        typer.echo(
            f"{name} is {done}" + (f": {folder.input} -> {folder.output}" if folder and done == "watched" else "")
        )
        typer.echo(f"process {pid} reads its folders again" if pid else "no daemon runs (depthflow daemon start)")


def _say_found(facts: Mapping[str, Any]) -> None:
    if (found := facts.get("found")) is not None:
        presets = ", ".join(found["preset_folders"])
        typer.echo(
            f"{facts['in']}: {found['photos']} photos are there"
            + (f"; folders with a preset: {presets}" if presets else ""),
            err=True,
        )


def _check_place(place: Path, *, create: bool) -> None:
    """Raises UsageError, InputError: photos cannot be dropped there."""
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is no folder", "name the folder that it lies in")
    if not place.exists() and not create:
        raise UsageError(f"{place}: there is no such folder", "--create makes it")


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemError_(f"{place}: cannot be made: {error.strerror}", "make it yourself, or name another") from None


def _reload(loaded: Loaded) -> int | None:
    """The daemon that was told, or None; a system without signals has it said."""
    from depthflow_daemon import background

    try:
        return background.reload(loaded)
    except SystemError_ as error:
        typer.echo(f"warning: {error.message}; {error.hint}", err=True)
        return None


def _name_for(photos: Path, taken: list[str]) -> str:
    """A name made of a folder's, which nobody has."""
    import re
    import unicodedata

    plain = unicodedata.normalize("NFKD", Path(_absolute(photos)).name).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")[:58] or "folder"
    tries: Callable[[int], str] = lambda number: name if number == 1 else f"{name}-{number}"  # noqa: E731
    return next(each for number in range(1, len(taken) + 2) if (each := tries(number)) not in taken)


def _absolute(place: Path) -> str:
    """From where the command is given; the settings file may lie elsewhere. Tidied as text, as the settings are."""
    import os

    from depthflow.paths import expanded

    return os.path.normpath(Path.cwd() / expanded(place))


def _facts(folder: FolderSettings) -> dict[str, Any]:
    return {
        "name": folder.name,
        "in": str(folder.input),
        "out": str(folder.output),
        "archive": str(folder.place.archive),
        "preset": folder.preset,
        "paused": folder.paused,
        "there": folder.input.is_dir(),
    }


def _line(folder: FolderSettings) -> str:
    notes = [note for note, holds in (("paused", folder.paused), ("not there", not folder.input.is_dir())) if holds]
    preset = f" with {folder.preset}" if folder.preset else ""
    return f"{folder.name}: {folder.input} -> {folder.output}{preset}" + (f" ({', '.join(notes)})" if notes else "")


# -- rules ---------------------------------------------------------------------------------------------------------


def _with_rules(text: str, file: Path, set_rule: list[str], unset: list[str]) -> str:
    """Rules set and taken out in the text."""
    import tomllib

    from depthflow.settings_file import parse_text
    from depthflow.toml_edit import set_keys

    changes: list[tuple[str, Any]] = [(key, None) for key in unset]
    for each in set_rule:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {each}: KEY=VALUE is expected", "such as --set after=archive")
        try:
            changes.append((key, tomllib.loads(f"v = {value}")["v"]))
        except tomllib.TOMLDecodeError:
            changes.append((key, value))
    if changes:
        parse_text(text, file)
    for key, value in changes:
        section, _, name = key.rpartition(".")
        text = set_keys(text, section, {name: value})
    return text


def _with_outputs(text: str, formats: str | None) -> str:
    """One output for each format; those that are there already stay as they are."""
    if formats is None:
        return text
    import tomllib

    from depthflow.toml_edit import add_item, remove_item

    wanted = [each.strip() for each in formats.split(",") if each.strip()]
    there = [str(each.get("format")) for each in tomllib.loads(text).get("outputs", [])]
    for number in reversed(range(len(there))):
        if there[number] not in wanted:
            text = remove_item(text, "outputs", number)
    for each in wanted:
        if each not in there:
            text = add_item(text, "outputs", {"format": each})
    return text


def _rule_facts(text: str, valid: bool) -> dict[str, Any]:
    """What forms show of rules: as the file has it, None where it does not say."""
    import tomllib

    table = tomllib.loads(text) if valid else {}
    outputs = table.get("outputs")
    return {
        "valid": valid,
        "preset": table.get("preset"),
        "after": table.get("after"),
        "settle": table.get("settle", {}),
        "outputs": None if outputs is None else [each.get("format", "mp4") for each in outputs],
        "other": [key for key in table if key not in ("preset", "after", "settle", "outputs")],
    }
