"""What the interface remembers from one day to the next: tui.toml in the settings folder. It knows no screen.

[interface]
theme = "depthflow-dark"     # or another of the palette's
pictures = "auto"            # how photos are drawn: auto, half, kitty, sixel
welcomed = true

[last]
folder = "~/photos"

[keys]
"queue.pause" = "f9"         # `depthflow tui --keys` lists the names
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from depthflow import paths
from depthflow.errors import DepthFlowError
from depthflow.jobs.problems import first_problem
from depthflow.settings_file import read_table, with_key, write_text

FILE_NAME = "tui.toml"
Pictures = Literal["auto", "half", "kitty", "sixel"]
Text = Annotated[str, Field(max_length=4096)]
PHOTOS = 8
"""So many of the last photos are remembered."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Interface(_Table):
    """How it looks."""

    theme: Annotated[str, Field(min_length=1, max_length=64)] = "depthflow-dark"
    pictures: Pictures = "auto"
    welcomed: bool = False


class Last(_Table):
    """Where the user was."""

    folder: Text = ""
    photos: Annotated[list[Text], Field(max_length=100)] = []


class Wishes(_Table):
    """The whole file."""

    interface: Interface = Interface()
    last: Last = Last()
    keys: dict[str, Text] = {}
    """Id of a binding -> keys, with commas between."""


class Preferences:
    """The user's wishes; what is set here is written at once, and comments in the file stay.

    Attributes:
        problems: (message, hint) for each value in the file that is not used.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or paths.config_dir() / FILE_NAME
        self.problems: list[tuple[str, str]] = []
        self.wishes = Wishes()

    def load(self) -> None:
        """Read the file. It never fails: what is wrong with it is in `problems`, and its defaults hold."""
        try:
            table = read_table(self.file)
        except DepthFlowError as error:
            self.problems, self.wishes = [(error.message, error.hint)], Wishes()
            return
        self.wishes, self.problems = _understood(table, self.file.name)

    @property
    def theme(self) -> str:
        return self.wishes.interface.theme

    @property
    def pictures(self) -> Pictures:
        return self.wishes.interface.pictures

    @property
    def welcomed(self) -> bool:
        return self.wishes.interface.welcomed

    @property
    def keys(self) -> dict[str, str]:
        return self.wishes.keys

    @property
    def folder(self) -> Path:
        """Where photos were last looked for; the current folder if that is gone."""
        last = paths.expanded(self.wishes.last.folder)
        return last if self.wishes.last.folder and last.is_dir() else Path.cwd()

    @property
    def photos(self) -> list[Path]:
        """The last photos, newest first; some may be gone."""
        return [Path(photo) for photo in self.wishes.last.photos]

    def remember_photo(self, photo: Path) -> None:
        """It was worked on just now. Raises as `set`."""
        names = [str(photo), *(name for name in self.wishes.last.photos if name != str(photo))]
        self.set("last.photos", names[:PHOTOS])
        self.set("last.folder", str(photo.parent))

    def set(self, key: str, value: Any) -> None:
        """Change one value, here and in the file, which is made if it is not there.

        Args:
            key: such as "interface.theme".

        Raises:
            UsageError: the file is not TOML. OutputError: it cannot be written.
        """
        section, _, name = key.partition(".")
        part = getattr(self.wishes, section)
        if getattr(part, name) == value:
            return
        self.wishes = self.wishes.model_copy(update={section: part.model_copy(update={name: value})})
        write_text(self.file, with_key(self.file, key, value))


def _understood(table: dict[str, Any], source: str) -> tuple[Wishes, list[tuple[str, str]]]:
    """What can be used of a file, and what is wrong with the rest."""
    problems: list[tuple[str, str]] = []
    while True:
        try:
            return Wishes.model_validate(table), problems
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            only = ValidationError.from_exception_data("", [_line(first)])
            problems.append(first_problem(only, Wishes, source))
            table = _without(table, first["loc"])


def _line(problem: Any) -> Any:
    """One problem of a ValidationError, to make another one of."""
    from pydantic_core import PydanticCustomError

    kind = problem["type"]
    plain = PydanticCustomError(kind, problem["msg"].replace("{", "{{").replace("}", "}}"))
    return {"type": plain, "loc": problem["loc"], "input": problem["input"]}


def _without(table: dict[str, Any], path: tuple[int | str, ...]) -> dict[str, Any]:
    """The table without what stands at the path, or around it where that is in a list."""
    name = str(path[0])
    inner = table.get(name)
    if len(path) == 1 or not isinstance(inner, dict):
        return {key: value for key, value in table.items() if key != name}
    return {**table, name: _without(inner, path[1:])}
