"""What the command palette offers: places, what the screen can do, presets, themes. It does nothing by itself.

What a screen can do is taken from its bindings, so that nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from depthflow.errors import DepthFlowError
from depthflow.tui import themes
from depthflow.tui.places import PLACES
from depthflow.tui.steady import Steady

if TYPE_CHECKING:
    from depthflow.client.models import Preset
    from depthflow.tui.app import DepthFlowApp

_NOT_OFFERED = ("app.palette", "go.")
"""Ids of bindings that would only open what is open, or stand in the list already."""


_MOVES = frozenset(("up", "down", "left", "right", "home", "end", "pageup", "pagedown"))
"""Keys that move a cursor, also with shift and ctrl: nobody looks for these by name."""


class Command(NamedTuple):
    """One entry of the palette; `first`: it is offered before anything is typed."""

    title: str
    text: str
    do: Callable[[], Any]
    first: bool = True
    key: str = ""

    def shown(self, title: Content | str) -> Content:
        """Its title, highlighted or not, with its key."""
        return Content.assemble(title, (f"  {self.key}" if self.key else "", "dim"))


class Palette(CommandPalette, Steady[None]):
    """Textual's palette, which comes to rest as our own screens do."""


class _Offer(Provider):
    """Commands of which some are offered at once, and all are found by their names."""

    @property
    def flow(self) -> DepthFlowApp:
        return cast("DepthFlowApp", self.app)

    async def discover(self) -> Hits:
        for command in self._all():
            if command.first:
                yield DiscoveryHit(command.shown(command.title), command.do, command.title, command.text or None)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._all():
            if (score := matcher.match(command.title)) > 0:
                title = command.shown(matcher.highlight(command.title))
                yield Hit(score, title, command.do, command.title, command.text or None)

    def _all(self) -> Iterator[Command]:
        raise NotImplementedError

    def _take_theme(self, name: str) -> None:
        self.flow.theme = name


class Themes(_Offer):
    """The themes, our own first."""

    def _all(self) -> Iterator[Command]:
        for name in themes.ordered(self.flow.available_themes):
            yield Command(name, themes.WHAT.get(name, ""), partial(self._take_theme, name))


class Commands(_Offer):
    """Everything that can be done now."""

    _presets: list[Preset]

    async def startup(self) -> None:
        self._presets = []
        try:
            self._presets = list(await self.flow.link.client.presets() or ())
        except DepthFlowError:
            return  # offline: the masthead says so, and the rest of the palette works

    def _all(self) -> Iterator[Command]:
        yield from self._actions()
        for row in PLACES:
            yield Command(f"Go to {row.title}", row.text, partial(self.flow.action_go, row.name))
        yield Command("Open photo in studio…", "Choose a photo and tune its look", self.flow.action_open_photo)
        yield Command("Theme…", "Colours of the interface", self.flow.search_themes)
        yield Command("Welcome", "The first steps once more", self.flow.action_welcome)
        yield Command(
            "Picture of the screen", "Saved as SVG", partial(self.app.run_action, "app.screenshot"), first=False
        )
        for preset in self._presets:
            yield Command(
                f"Preset: {preset.name}",
                preset.description,
                partial(self.flow.open_in_studio, None, preset=preset.name),
                first=False,
            )
        for name in themes.ordered(self.flow.available_themes):
            yield Command(f"Theme: {name}", themes.WHAT.get(name, ""), partial(self._take_theme, name), first=False)

    def _actions(self) -> Iterator[Command]:
        active = self.screen.active_bindings
        moves = {each.binding.id for key, each in active.items() if key.rpartition("+")[2] in _MOVES}
        seen = set()
        for node, binding, enabled, tooltip in active.values():
            name = binding.id or ""
            if not enabled or not binding.description or binding.action in seen or not name:
                continue
            if binding.system or name.startswith(_NOT_OFFERED) or name in moves:
                continue
            seen.add(binding.action)
            do = partial(self.app.run_action, binding.action, node)
            text = tooltip or binding.tooltip
            yield Command(binding.description, text, do, key=self.app.get_key_display(binding))
