"""Which lines a list of parameters has: headings that open and close, and rows. It draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from depthflow.tui.studio.parameters import Row, about


@dataclass(frozen=True, slots=True)
class Heading:
    """The top of a group.

    Attributes:
        title: of the group.
        open: its rows are shown.
        rows: of the group.
        about: what it does, in a line; may be empty.
    """

    title: str
    open: bool
    rows: tuple[Row, ...]
    about: str = ""


Line = Heading | Row


def lines_of(rows: Iterable[Row], is_open: Callable[[str], bool], *, titled: bool = False) -> list[Line]:
    """The rows under their headings; those without one come first.

    Args:
        is_open: whether a group of this title shows its rows.
        titled: rows from several sections: every group gets a heading, named by its section too.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        title = " · ".join(filter(None, (row.section if titled else "", row.heading)))
        groups.setdefault(title, []).append(row)
    made: list[Line] = list(groups.pop("", []))
    for title, inside in groups.items():
        shown = is_open(title)
        made += [Heading(title, shown, tuple(inside), about(inside[0].heading)), *(inside if shown else ())]
    return made
