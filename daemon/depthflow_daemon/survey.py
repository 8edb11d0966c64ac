"""What lies in a folder before it is watched, and what rules would say in it. It changes nothing."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from depthflow.errors import UsageError
from depthflow.images import is_photo_name
from depthflow.jobs import library
from depthflow.toml_edit import line_of
from depthflow_daemon.rules import FolderRules, WatchFolder
from depthflow_daemon.watch import RULES_FILE, is_ignored

MOST_PHOTOS = 100_000
"""Counting ends there."""
_MOST_FOLDERS = 10_000
_MOST_NAMES = 100
_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Survey:
    """A folder as it lies there.

    Attributes:
        photos: how many there are, in sub-folders too.
        preset_folders: sub-folders that are named like presets, relative to it.
        rule_files: folders that have a rule file, relative to it; "." is the folder itself.
        whole: all of it was looked at.
    """

    photos: int
    preset_folders: tuple[str, ...]
    rule_files: tuple[str, ...]
    whole: bool


def survey(root: Path, exclude: tuple[Path, ...] = ()) -> Survey:
    """Look through a folder as the watcher does: hidden names, links to folders and `exclude` are passed over."""
    known, passed = library.names("presets"), {str(place.resolve()) for place in exclude}
    photos, presets, rules = 0, [], []
    for seen, (here, folders, files) in enumerate(os.walk(root.resolve())):
        folders[:] = sorted(
            name
            for name in folders
            if not is_ignored(name) and os.path.join(here, name) not in passed  # noqa: PTH118
        )
        place = Path(here).relative_to(root.resolve())
        if place.name in known:
            presets.append(place.as_posix())
        if RULES_FILE in files:
            rules.append(place.as_posix())
        photos += sum(is_photo_name(name) and not is_ignored(name) for name in files)
        if photos >= MOST_PHOTOS or seen >= _MOST_FOLDERS:
            return Survey(photos, tuple(presets[:_MOST_NAMES]), tuple(rules[:_MOST_NAMES]), False)
    return Survey(photos, tuple(presets[:_MOST_NAMES]), tuple(rules[:_MOST_NAMES]), len(presets) <= _MOST_NAMES)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in rules.

    Attributes:
        line: from 1; None if it is not known.
    """

    message: str
    hint: str
    line: int | None


def mistake_in(text: str, file: Path, preset: str | None) -> Mistake | None:
    """What is wrong with a text as the rules of a folder; None if it is as it should be.

    Args:
        file: where it is, or is to be; named in the message.
        preset: the folder is watched with it.
    """
    with tempfile.TemporaryDirectory(prefix="depthflow-rules-") as name:
        place = Path(name).resolve()
        (place / RULES_FILE).write_text(text, encoding="utf-8", newline="\n")
        rules = FolderRules(WatchFolder(place, place / "out", place / "archive", preset), lambda *_: False)
        try:
            rules.rules_for(place / "photo.jpg")
        except UsageError as error:
            message = error.message.replace(str(place / RULES_FILE), str(file))
            return Mistake(message, error.hint, _line(text, message.removeprefix(f"{file}: ")))
    return None


def _line(text: str, said: str) -> int | None:
    if found := _LINE.search(said):
        return int(found[1])
    if said.startswith("not valid TOML"):
        return len(text.splitlines())
    return line_of(text, said.partition(":")[0])
