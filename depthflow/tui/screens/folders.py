"""Folders: which are watched and how it stands with each, why photos wait, what happened, and their rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.markup import escape
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import OptionList, Static, Tab, Tabs

from depthflow.client.models import Folder
from depthflow.errors import DepthFlowError, SystemError_
from depthflow.tui import commands
from depthflow.tui.folders.edit import EditFolder
from depthflow.tui.folders.panes import Empty, FolderList, Pane
from depthflow.tui.folders.rules import RulesForm, RulesText
from depthflow.tui.folders.words import RulesHere, event_lines, facts, rules_text, waiting_lines
from depthflow.tui.link import LinkState
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.base import Place

PANES = (("waiting", "Waiting"), ("rules", "Rules"), ("log", "Last events"))
WAITING = 200
EVENTS = 100
TRIES, PAUSE_S = 20, 0.25
"""Looks at a daemon that was told to read its folders again."""


class FoldersScreen(Place):
    """Watched folders on the left (or top), all about the chosen one beside."""

    PLACE = "folders"
    CSS_PATH = "folders.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - Textual has it that way
    HELP = """\
# Folders

Every photo that is dropped into a watched folder, or a folder below it, becomes a video.

- **a** watches another folder, **e** changes the chosen one, **delete** ends the watching: files stay.
- **p** pauses and resumes it: photos are seen, and taken later. **s** looks at all its files again.
- **r** makes rules for its photos: preset, what becomes of a photo, which files are made. **t** edits them as text.
- **enter** goes to its jobs in the queue.
- **1 2 3** go to what waits and why, the rules, and what happened.

`●` the system tells of new photos · `◌` looked through every few seconds · `‖` paused · `✗` not there

`◔` photos that wait · `▪` queued · `▶` running · `✓` done · `✗` failed · `≡` made before
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", id="folders.add"),
        Binding("e", "edit", "Edit", id="folders.edit"),
        Binding("r", "rules", "Rules", id="folders.rules"),
        Binding("t", "rules_text", "Rules as text", id="folders.rules_text", show=False),
        Binding("p", "pause", "Pause/resume", id="folders.pause"),
        Binding("s", "rescan", "Scan", id="folders.rescan"),
        Binding("enter", "jobs", "Jobs", id="folders.jobs", show=False),
        Binding("j", "jobs", "Jobs", id="folders.jobs_key"),
        Binding("delete,x", "remove", "Remove", id="folders.remove"),
        *(
            Binding(str(number), f"pane('{name}')", title, id=f"folders.pane_{name}", show=False)
            for number, (name, title) in enumerate(PANES, 1)
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._folders: list[Folder] = []
        self._rules: RulesHere | None = None
        self._rules_seen: tuple[str, float | None] = ("", None)
        self._about: str | None = None
        self._shown: tuple[object, ...] = ()
        self._known = False
        self._looking = self._again = False

    def body(self) -> ComposeResult:
        yield Static(id="notice")
        yield Empty(id="empty")
        with Container(id="all"):
            yield FolderList(id="list", classes="pane")
            with Vertical(id="details"):
                yield Static(id="facts")
                yield Tabs(*(Tab(title, id=f"tab-{name}") for name, title in PANES))
                with Container(id="panes"):
                    for name, title in PANES:
                        yield Pane(title, name)

    def on_mount(self) -> None:
        self.query_one(FolderList).border_title = "Folders"
        self.query_one(Tabs).can_focus = False
        self.flow.link_changed.subscribe(self, lambda _: self._linked())
        self.flow.system_changed.subscribe(self, lambda _: self.look())
        self.watch(self.app, "theme", lambda: self._show(), init=False)
        self._show_pane("waiting")
        self._linked()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show)

    def on_screen_resume(self) -> None:
        self.look()

    # -- what the daemon knows -------------------------------------------------------------------------------------

    def _linked(self) -> None:
        if self.link.state is LinkState.ONLINE:
            self.look()
        self._show()

    def look(self) -> None:
        """Ask the daemon, unless nobody sees this screen; while one question is open the next waits."""
        if self.app.current_mode != self.PLACE or self.link.state is not LinkState.ONLINE:
            return
        if self._looking:
            self._again = True
        else:
            self._looking = True
            self._look()

    @work(group="look")
    async def _look(self) -> None:
        try:
            self._folders = await self.link.client.folders() or []
            self._known = True
            self._show()
            await self._look_closer()
        except DepthFlowError:
            pass  # the link tells that the daemon is gone
        finally:
            self._looking = False
        if self._again:
            self._again = False
            self.look()

    async def _look_closer(self) -> None:
        folder = self._chosen
        if folder is None:
            return
        self._about = folder.name
        waiting, lines = await asyncio.gather(
            self.link.client.waiting_photos(folder.name, limit=WAITING),
            self.link.client.folder_log(folder.name, limit=EVENTS),
        )
        if self._chosen is None or self._chosen.name != folder.name:
            return
        colours = self.app.theme_variables
        if waiting is not None:
            text = waiting_lines(waiting, colours) if waiting.items else Text(_NOTHING_WAITS, _muted(colours))
            self.query_one("#waiting", Pane).show(text, count=waiting.total or None)
            self.query_one("#tab-waiting", Tab).label = f"Waiting ({waiting.total})" if waiting.total else "Waiting"
        text = (
            event_lines(lines, colours, today=self.now()) if lines else Text("Nothing happened yet.", _muted(colours))
        )
        self.query_one("#log", Pane).show(text)
        await self._look_at_rules(folder)

    def now(self) -> datetime:
        """For the times of events."""
        return datetime.now().astimezone()

    async def _look_at_rules(self, folder: Folder) -> None:
        """Read the rules again if their file changed: a process each time would be much."""
        if not self._here:
            self.query_one("#rules", Pane).show(
                Text("They lie on the daemon's machine.", _muted(self.app.theme_variables))
            )
            return
        stamp = await asyncio.to_thread(_stamp, Path(folder.root) / ".depthflow.toml")
        if self._rules_seen == (folder.name, stamp):
            return
        self._rules_seen = folder.name, stamp
        try:
            found = (await commands.run("daemon", "folders", "rules", folder.name, "--json")).data()
        except DepthFlowError as error:
            if self._is_chosen(folder):
                self._rules = None
                self.query_one("#rules", Pane).show(
                    Text(f"{error.message}\n{error.hint}", _muted(self.app.theme_variables))
                )
            return
        if self._is_chosen(folder):
            self._take_rules(found)

    def _take_rules(self, found: dict[str, Any]) -> None:
        self._rules = RulesHere.read(found)
        self.query_one("#rules", Pane).show(rules_text(self._rules, self.app.theme_variables))

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def _home(self) -> Path | None:
        return Path.home() if self._here else None

    @property
    def _here(self) -> bool:
        """The daemon is on this machine, and its settings are the user's."""
        return self.link.client.address.socket is not None

    @property
    def _chosen(self) -> Folder | None:
        name = self.query_one(FolderList).chosen
        return next((folder for folder in self._folders if folder.name == name), None)

    def _is_chosen(self, folder: Folder) -> bool:
        return self._chosen is not None and self._chosen.name == folder.name

    def _show(self) -> None:
        seen = (self._folders, self.query_one(FolderList).chosen, self._notice(), self._why_empty())
        shown = (*seen, self._home, self.has_class("-narrow"), self.app.theme)
        if shown == self._shown:
            return  # a daemon at rest costs no drawing
        self._shown = shown
        colours = self.app.theme_variables
        self.query_one(FolderList).show(self._folders, colours, self._home)
        chosen = self._chosen
        if chosen is not None:
            self.query_one("#facts", Static).update(
                facts(chosen, colours, home=self._home, narrow=self.has_class("-narrow"))
            )
        notice = self.query_one("#notice", Static)
        words = self._notice()
        notice.update(Text(words))
        notice.display = bool(words)
        self.query_one("#all").display = bool(self._folders)
        empty = self.query_one(Empty)
        empty.display = not self._folders
        empty.show(self._why_empty())
        if self._folders and self.focused is None and self.is_current:
            self.query_one(FolderList).focus()
        self.refresh_bindings()

    def _notice(self) -> str:
        if self.link.state is not LinkState.ONLINE:
            return f"{self.link.state.value.capitalize()}: {self.link.why or 'what is shown may be old'}"
        if not self._here:
            return f"The daemon runs at {self.link.client.address}: its folders are changed in depthflowd.toml there."
        if self.link.system is not None and self.link.system.paused:
            return "The queue is paused: photos are taken, and no job begins."
        return ""

    def _why_empty(self) -> tuple[str, ...]:
        if self.link.state is not LinkState.ONLINE:
            return "No daemon", "Watched folders show once one answers."
        if not self._known:
            return "Looking…", ""
        todo = "Press a to watch the first one." if self._here else "Name one in depthflowd.toml on its machine."
        return (
            "No folder is watched yet",
            "Drop a photo into a watched folder, and its video comes to lie in another one,",
            "for as long as the daemon runs. Folders can have presets and rules of their own.",
            "",
            todo,
        )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id == self._about:
            return
        self._about = event.option.id
        self._rules = None
        self._rules_seen = ("", None)
        for name, _ in PANES:
            self.query_one(f"#{name}", Pane).show(Text(""))
        self._show()
        self.look()

    def on_option_list_option_selected(self) -> None:
        self.action_jobs()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        if event.tab.id:
            self._show_pane(event.tab.id.removeprefix("tab-"))

    def action_pane(self, name: str) -> None:
        self.query_one(Tabs).active = f"tab-{name}"
        self._show_pane(name)
        self.query_one(f"#{name}", Pane).focus()

    def _show_pane(self, name: str) -> None:
        """Where there is room for one, this one."""
        for each, _ in PANES:
            self.query_one(f"#{each}").set_class(each == name, "here")

    # -- what is done ----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("edit", "rules", "rules_text", "pause", "rescan", "jobs", "remove") and self._chosen is None:
            return None
        if action in ("add", "edit", "rules", "rules_text", "remove") and not self._here:
            return None
        return True

    @work(group="sheet")
    async def action_add(self) -> None:
        presets = await self._presets()
        self._changed(await self.app.push_screen_wait(EditFolder(presets)))

    @work(group="sheet")
    async def action_edit(self) -> None:
        presets = await self._presets()
        if (folder := self._chosen) is not None:
            self._changed(await self.app.push_screen_wait(EditFolder(presets, folder=folder)))

    @work(group="sheet")
    async def action_rules(self) -> None:
        presets = await self._presets()
        rules = await self._fresh_rules()
        if rules is None:
            return
        if rules.wrong is not None:
            self.notify("The file has a mistake: mend it as text first.", severity="warning")
            self._rules_changed(await self.app.push_screen_wait(RulesText(rules)))
        else:
            self._rules_changed(await self.app.push_screen_wait(RulesForm(rules, presets)))

    @work(group="sheet")
    async def action_rules_text(self) -> None:
        if (rules := await self._fresh_rules()) is not None:
            self._rules_changed(await self.app.push_screen_wait(RulesText(rules)))

    @work
    async def action_pause(self) -> None:
        if (folder := self._chosen) is not None:
            client = self.link.client
            await self._ask(lambda: (client.resume_folder if folder.paused else client.pause_folder)(folder.name))

    @work
    async def action_rescan(self) -> None:
        if (folder := self._chosen) is not None and await self._ask(
            lambda: self.link.client.rescan_folder(folder.name)
        ):
            self.notify(f"Every file of {escape(folder.name)} is looked at again.")

    @work(group="sheet")
    async def action_remove(self) -> None:
        folder = self._chosen
        if folder is None:
            return
        text = (
            f"{folder.root} is watched no longer. Its photos, its results and its rules stay where they are; "
            "jobs that are queued are made."
        )
        if await self.app.push_screen_wait(Confirm(f"Remove {folder.name}?", text, yes="Remove")):
            result = await commands.run("daemon", "folders", "remove", folder.name, "--json")
            try:
                self._changed(result.data())
            except DepthFlowError as error:
                self._complain(error)

    def action_jobs(self) -> None:
        if (folder := self._chosen) is not None:
            self.flow.show_jobs(folder=folder.name)

    # -- pieces ----------------------------------------------------------------------------------------------------

    async def _presets(self) -> list[str]:
        """Names of the daemon's library; of the user's own if no daemon answers."""
        try:
            if found := await self.link.client.presets():
                return [preset.name for preset in found]
        except DepthFlowError:
            pass
        from depthflow.jobs.library import names

        return list(await asyncio.to_thread(names, "presets"))

    async def _fresh_rules(self) -> RulesHere | None:
        folder = self._chosen
        if folder is None:
            return None
        stamp = await asyncio.to_thread(_stamp, Path(folder.root) / ".depthflow.toml")
        if self._rules is not None and self._rules_seen == (folder.name, stamp):
            return self._rules  # a process would take a second
        try:
            found = (await commands.run("daemon", "folders", "rules", folder.name, "--json")).data()
        except DepthFlowError as error:
            self._complain(error)
            return None
        return RulesHere.read(found)

    async def _ask(self, what: Callable[[], Awaitable[Folder]]) -> bool:
        """Ask the daemon for something, and look at what came of it."""
        try:
            if self.link.state is not LinkState.ONLINE:
                raise SystemError_("no daemon answers", "depthflow daemon start, or wait until it is back")
            await what()
        except DepthFlowError as error:
            self._complain(error)
            return False
        self.look()
        return True

    def _changed(self, said: dict[str, Any] | None) -> None:
        """The settings were changed."""
        if said is None:
            return
        told = "" if said["daemon"] else "\nNo daemon was told: it begins with its next start."
        self.notify(escape(f"{said['name']} is {said['done']}.{told}"))
        self._settle(said)

    @work(exclusive=True, group="settle")
    async def _settle(self, said: dict[str, Any]) -> None:
        """The daemon reads its folders a moment after it was told to: look until they are as they should be."""
        for _ in range(TRIES):
            self.look()
            if self._is_as(said):
                self.query_one(FolderList).choose(said["name"])
                return
            await asyncio.sleep(PAUSE_S)

    def _is_as(self, said: dict[str, Any]) -> bool:
        folder = next((each for each in self._folders if each.name == said["name"]), None)
        if folder is None or "in" not in said:
            return (folder is None) == ("in" not in said)
        return [folder.root, folder.output, folder.preset] == [said["in"], said["out"], said["preset"]]

    def _rules_changed(self, found: dict[str, Any] | None) -> None:
        if found is not None:
            self._rules_seen = ("", None)
            self._take_rules(found)
            self.notify("The rules are saved. Photos that wait are looked at again.")
            self.look()

    def _complain(self, error: DepthFlowError) -> None:
        self.notify(escape(f"{error.message}\n{error.hint}".strip()), severity="error", timeout=10)


_NOTHING_WAITS = "No photo waits. One that is dropped here stands here until it is whole."


def _muted(colours: dict[str, str]) -> str:
    from depthflow.tui.folders.words import style_of

    return style_of(colours, "text-muted")


def _stamp(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None
