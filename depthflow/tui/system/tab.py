"""What the tabs of the System screen share: how they reach the application, hear of the daemon, and are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rich.table import Table
from rich.text import Text
from textual.containers import Container
from textual.widgets import Input

from depthflow.client.models import System

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp

ELSEWHERE = "The daemon is on another machine, so this can only be looked at there:\n{}"


class SystemTab(Container):
    """One tab. Its focus goes to the first widget in it that takes it."""

    @property
    def flow(self) -> DepthFlowApp:
        return cast("DepthFlowApp", self.app)

    @property
    def local(self) -> bool:
        """The daemon is on this machine."""
        return self.flow.link.client.address.socket is not None

    def opened(self) -> None:
        """It is looked at now."""

    def closed(self) -> None:
        """It is not looked at any more."""

    def again(self) -> None:
        """Look anew, because the user asks."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The search goes before all other keys, so that what follows is searched for; in a field, a slash is one."""
        if action == "search" and isinstance(self.screen.focused, Input):
            return False
        return super().check_action(action, parameters)

    def system_is(self, system: System) -> None:
        """News of the daemon."""

    def colour(self, name: str) -> str:
        """A colour of the theme, such as "success", for what rich draws."""
        return self.app.theme_variables[f"text-{name}"]


def grid(rows: Sequence[tuple[str, str]], styles: Mapping[str, str] | None = None, *, label: int = 10) -> Table:
    """Names and values in two columns; long values are folded.

    Args:
        styles: name -> style of its value.
    """
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=label, style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value, (styles or {}).get(name, "")))
    return table
