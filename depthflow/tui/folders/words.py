"""What is shown of a watched folder, in words and signs; it knows no widget and asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from depthflow.client.models import Folder, FolderLine, WaitingPhotos


@dataclass(frozen=True, slots=True)
class State:
    """How it stands with a folder: a sign, a word, and what it means.

    Attributes:
        variable: the theme's variable for its colour.
    """

    sign: str
    word: str
    variable: str
    meaning: str


WATCHING = State("●", "watching", "text-success", "the system tells of every new photo")
POLLING = State("◌", "polling", "text-accent", "a network or shared disk: looked through every few seconds")
PAUSED = State("‖", "paused", "text-warning", "photos are seen and not taken until you resume it")
MISSING = State("✗", "missing", "text-error", "the folder is not there; it is waited for")


def state_of(folder: Folder) -> State:
    """Missing counts more than paused: nothing can come from there either way."""
    if not folder.there:
        return MISSING
    if folder.paused:
        return PAUSED
    return POLLING if folder.polling else WATCHING


COUNTS = (
    ("pending", "◔", "text-accent", "waiting"),
    ("open", "▪", "text-muted", "queued"),
    ("running", "▶", "text-primary", "running"),
    ("done", "✓", "text-success", "done"),
    ("failed", "✗", "text-error", "failed"),
    ("skipped", "≡", "text-muted", "made before"),
    ("cancelled", "–", "text-muted", "cancelled"),
)
"""Kind, sign, colour, word."""


def counts(folder: Folder) -> dict[str, int]:
    """Photos that are waited for, and jobs by kind; those that wait for their next try count as queued."""
    jobs = folder.jobs
    return {
        "pending": folder.pending,
        "open": jobs.get("queued", 0) + jobs.get("waiting", 0),
        **{state: jobs.get(state, 0) for state in ("running", "done", "failed", "skipped", "cancelled")},
    }


Colours = dict[str, str]
"""The theme's variables."""


def count_signs(folder: Folder, colours: Colours) -> Text:
    """Such as ◔2 ▶1 ✓12: what there is none of is left out."""
    found = counts(folder)
    parts = [
        Text(f"{sign}{found[kind]}", style_of(colours, variable)) for kind, sign, variable, _ in COUNTS if found[kind]
    ]
    return Text(" ").join(parts)


def count_words(folder: Folder, colours: Colours) -> Text:
    found = counts(folder)
    parts = [
        Text.assemble((f"{sign} {found[kind]}", style_of(colours, variable)), f" {word}")
        for kind, sign, variable, word in COUNTS
        if found[kind]
    ]
    return Text("   ").join(parts) if parts else Text("no photo came yet", style_of(colours, "text-muted"))


def card(folder: Folder, colours: Colours, *, home: Path | None) -> Group:
    """A folder in a list: two lines as wide as the list."""
    state = state_of(folder)
    sign = Text(state.sign, style_of(colours, state.variable))
    name = Text(folder.name, "bold")
    if folder.preset:
        name.append(f"  {folder.preset}", style_of(colours, "text-muted", "not bold"))
    way = Text(f"{short(folder.root, home)} → {short(folder.output, home)}", style_of(colours, "text-muted"))
    word = Text("" if state is WATCHING else state.word, style_of(colours, state.variable))
    # Each line by itself: what one of them has at the right end takes no room from the other.
    return Group(_line(sign, name, count_signs(folder, colours)), _line(Text(" "), way, word))


def _line(sign: Text, left: Text, right: Text) -> Table:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    table.add_row(sign, left, right)
    return table


def facts(folder: Folder, colours: Colours, *, home: Path | None, narrow: bool = False) -> Text:
    """The head of the chosen folder's details; a narrow one leaves out what the list says."""
    state = state_of(folder)
    muted = style_of(colours, "text-muted")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{state.sign} {state.word}", style_of(colours, state.variable, "bold"))
    text.append(f"  {state.meaning}\n", muted)
    if not narrow:
        for word, said in (
            ("photos", short(folder.root, home)),
            ("results", short(folder.output, home)),
            ("preset", folder.preset or "none: your settings hold"),
        ):
            text.append(f"{word:9}", muted)
            text.append(f"{said}\n")
    return text.append_text(count_words(folder, colours))


def style_of(colours: Colours, variable: str, more: str = "") -> str:
    """A rich style in a colour of the theme; "auto" colours of it are none that rich has."""
    colour = colours.get(variable, "")
    known = colour if colour.startswith("#") and len(colour) == 7 else ""
    if not known and variable == "text-muted":
        known = "dim"
    return f"{more} {known}".strip()


def short(path: str, home: Path | None) -> str:
    """With ~ for the user's home; None: it is another machine's path."""
    if home is not None and Path(path).is_relative_to(home):
        return "~" if Path(path) == home else f"~/{Path(path).relative_to(home).as_posix()}"
    return path


# -- what waits, and what happened ---------------------------------------------------------------------------------

_KINDS = {"rules": "text-error", "unreadable": "text-warning", "paused": "text-warning", "sentinel": "text-accent"}


def waiting_lines(found: WaitingPhotos, colours: Colours) -> Text:
    """A photo and below it why it waits."""
    lines: list[Text] = []
    for photo in found.items:
        lines.append(Text(photo.path, "bold", no_wrap=True, overflow="ellipsis"))
        lines.append(Text(photo.why, style_of(colours, _KINDS.get(photo.kind, "text-muted"))))
    if found.total > len(found.items):
        lines.append(Text(f"and {found.total - len(found.items)} more", style_of(colours, "text-muted")))
    return Text("\n").join(lines)


_HAPPENED: dict[str, tuple[str, str, str]] = {
    "added": ("+", "text-accent", "queued"),
    "queued": ("+", "text-accent", "queued again"),
    "started": ("▶", "text-primary", "started"),
    "done": ("✓", "text-success", "done"),
    "failed": ("✗", "text-error", "failed"),
    "waiting": ("↻", "text-warning", "tried again later"),
    "skipped": ("≡", "text-muted", "made before"),
    "cancelled": ("–", "text-muted", "cancelled"),
    "stopping": ("–", "text-muted", "stopping"),
    "held": ("‖", "text-warning", "held"),
    "released": ("▶", "text-accent", "released"),
    "folder-paused": ("‖", "text-warning", "the folder was paused"),
    "folder-resumed": ("▶", "text-success", "the folder was resumed"),
}


def event_lines(lines: Sequence[FolderLine], colours: Colours, *, today: datetime) -> Text:
    """One line each, newest first: time, sign, word, photo; below a failure why.

    Args:
        today: events of another day have their date.
    """
    muted = style_of(colours, "text-muted")
    told: list[Text] = []
    for line in lines:
        at = line.at.astimezone(today.tzinfo)
        sign, variable, word = _HAPPENED.get(line.kind, ("·", "text-muted", line.kind))
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{at:%H:%M:%S} " if at.date() == today.date() else f"{at:%d %b %H:%M} ", muted)
        text.append(f"{sign} {word:7}", style_of(colours, variable))
        text.append(f"  {line.source}" if line.source else "")
        told.append(text)
        if error := str(line.data.get("error") or ""):
            told.append(Text(f"         {error}", style_of(colours, "text-error")))
    return Text("\n").join(told)


# -- rules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RulesHere:
    """The rules that lie in a folder, as `depthflow daemon folders rules --json` tells them.

    Attributes:
        wrong: what is wrong with them, the way out, and the line; None if nothing is.
        settle, outputs, other: what they say of the stability, formats, and which other keys they have.
    """

    folder: str
    file: str
    text: str
    there: bool
    wrong: tuple[str, str, int | None] | None = None
    preset: str | None = None
    after: str | None = None
    settle: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    other: tuple[str, ...] = ()
    preset_folders: tuple[str, ...] = ()
    rule_files: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: dict[str, Any]) -> RulesHere:
        wrong = data.get("wrong")
        outputs = data.get("outputs")
        return cls(
            folder=data["folder"],
            file=data["file"],
            text=data["text"],
            there=data["there"],
            wrong=None if wrong is None else (wrong["message"], wrong["hint"], wrong["line"]),
            preset=data.get("preset"),
            after=data.get("after"),
            settle=data.get("settle") or {},
            outputs=None if outputs is None else tuple(outputs),
            other=tuple(data.get("other", ())),
            preset_folders=tuple(data.get("preset_folders", ())),
            rule_files=tuple(data.get("rule_files", ())),
        )


def rules_text(rules: RulesHere, colours: Colours) -> Text:
    """Validity, the file's text with its comments muted, and the sub-folders that have a say."""
    muted = style_of(colours, "text-muted")
    text = Text()
    if rules.wrong is not None:
        message, hint, line = rules.wrong
        where = "" if line is None else f"line {line}: "
        text.append(f"✗ {where}{message.removeprefix(f'{rules.file}: ')}\n", style_of(colours, "text-error"))
        text.append(f"  {hint}\n" if hint else "", muted)
        text.append("  No photo is taken until it is mended (t).\n\n", muted)
    elif rules.there:
        text.append("✓ valid\n\n", style_of(colours, "text-success"))
    else:
        text.append("No rules here: the preset and your settings hold.\nPress r to make some.\n", muted)
    marked = rules.wrong[2] if rules.wrong else None
    for number, line_text in enumerate(rules.text.splitlines() if rules.there else (), 1):
        style = muted if line_text.lstrip().startswith("#") else ""
        style = style_of(colours, "text-error") if number == marked else style
        text.append(f"{line_text}\n", style)
    below = [place for place in rules.rule_files if place != "."]
    for title, places in (("Sub-folders named like a preset", rules.preset_folders), ("Rules of their own", below)):
        if places:
            text.append(f"\n{title}\n", "bold")
            text.append("".join(f"  {place}\n" for place in places))
    text.rstrip()
    return text


def found_words(found: dict[str, Any]) -> str:
    """What lies in a folder that is to be watched: 3 photos are there; 2 sub-folders named like presets."""
    photos = found["photos"]
    least = "" if found["whole"] else "at least "
    if photos == 0:
        words = [f"{least}no photos are there yet"]
    elif photos == 1:
        words = [f"{least}1 photo is there, and becomes a video"]
    else:
        words = [f"{least}{photos:,} photos are there, and become videos"]
    if presets := found["preset_folders"]:
        kinds = "1 sub-folder" if len(presets) == 1 else f"{len(presets)} sub-folders"
        shown = ", ".join(presets[:3]) + (", …" if len(presets) > 3 else "")
        words.append(f"{kinds} named like presets: {shown}")
    if "." in found["rule_files"]:
        words.append("it has rules already")
    return "; ".join(words)
