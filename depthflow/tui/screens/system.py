"""System: the daemon and its machine, the doctor, encoders, workers, the log, and the settings."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TabbedContent, TabPane

from depthflow.errors import DepthFlowError
from depthflow.tui.link import LinkChanged, LinkState, SystemChanged
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.base import Place
from depthflow.tui.system.doctor_tab import DoctorTab, EncodersTab
from depthflow.tui.system.logs_tab import LogsTab
from depthflow.tui.system.overview_tab import OverviewTab
from depthflow.tui.system.settings_tab import SettingsTab
from depthflow.tui.system.tab import SystemTab
from depthflow.tui.system.workers_tab import WorkersTab

_TABS: tuple[tuple[str, str, type[SystemTab]], ...] = (
    ("overview", "Overview", OverviewTab),
    ("doctor", "Doctor", DoctorTab),
    ("encoders", "Encoders", EncodersTab),
    ("workers", "Workers", WorkersTab),
    ("logs", "Logs", LogsTab),
    ("settings", "Settings", SettingsTab),
)


class SystemScreen(Place):
    PLACE = "system"
    CSS_PATH = "system.tcss"
    HELP = """
    # System

    The daemon and the machine that it runs on. Keys `1` to `6` go to the tabs.

    - **Overview**: who answers, what draws, how much room there is.
    - **Doctor**: what works on this machine, and how to mend what does not; `c` copies the command that mends it.
    - **Encoders**: what really encodes here, and why the others do not.
    - **Workers**: the processes that make jobs, and how often one had to be replaced.
    - **Logs**: follows the daemon's log; `space` holds it, `l` hides lesser lines, `/` searches.
    - **Settings**: every default of a render. `enter` edits, `backspace` takes your value out of the file.

    `p` lets no job begin until it is pressed again. `D` ends the daemon when its running jobs are done.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"tab('{name}')", title, id=f"system.{name}", show=False)
            for number, (name, title, _) in enumerate(_TABS, 1)
        ),
        Binding("r", "again", "Look again", id="system.again"),
        Binding("p", "pause", "Pause/resume queue", id="system.pause"),
        Binding("D", "drain", "Drain", tooltip="End the daemon when its jobs are done", id="system.drain", show=False),
    ]

    def body(self) -> ComposeResult:
        with TabbedContent(id="tabs"):
            for number, (name, title, kind) in enumerate(_TABS, 1):
                with TabPane(f"{number} {title}", id=f"pane-{name}"):
                    yield kind(id=name)

    def on_mount(self) -> None:
        self.flow.system_changed.subscribe(self, self._system)
        self.flow.link_changed.subscribe(self, self._link)
        self.flow.theme_changed_signal.subscribe(self, lambda _: self._show())
        self._show()
        self.query_one("#cards").focus()

    @property
    def tab(self) -> SystemTab:
        """The one that is looked at."""
        name = self.query_one("#tabs", TabbedContent).active.removeprefix("pane-")
        return self.query_one(f"#{name}", SystemTab)

    def _system(self, _: SystemChanged) -> None:
        if self.is_current:
            self._show()

    def _link(self, news: LinkChanged) -> None:
        self.query_one("#tabs").set_class(news.state is not LinkState.ONLINE, "offline")

    def _show(self) -> None:
        system = self.link.system
        if system is not None:
            for tab in self.query(SystemTab):
                tab.system_is(system)

    def on_screen_resume(self) -> None:
        self._show()
        self.tab.opened()

    def on_screen_suspend(self) -> None:
        self.tab.closed()

    def on_tabbed_content_tab_activated(self) -> None:
        for tab in self.query(SystemTab):
            if tab is not self.tab:
                tab.closed()
        if isinstance(self.tab, EncodersTab) and self.tab.local:
            self.query_one(DoctorTab).opened()
        self.tab.opened()

    def on_doctor_tab_reported(self, event: DoctorTab.Reported) -> None:
        self.query_one(EncodersTab).show(event.report)

    def action_tab(self, name: str) -> None:
        self.query_one("#tabs", TabbedContent).active = f"pane-{name}"
        tab = self.query_one(f"#{name}", SystemTab)
        first = next((widget for widget in tab.query("DataTable, RichLog, VerticalScroll") if widget.focusable), None)
        if first is not None:
            first.focus()

    def action_again(self) -> None:
        tab = self.query_one(DoctorTab) if isinstance(self.tab, EncodersTab) and self.tab.local else self.tab
        tab.again()

    @work(group="daemon")
    async def action_pause(self) -> None:
        system = self.link.system
        paused = system is not None and system.paused
        try:
            await (self.link.client.resume() if paused else self.link.client.pause())
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        self.notify("Jobs begin again." if paused else "No job begins until you resume; running ones go on.")

    def action_drain(self) -> None:
        text = (
            "No job begins any more, and the daemon ends when the running ones are done. "
            "What waits is kept for the next daemon."
        )
        self.app.push_screen(Confirm("Drain the daemon", text, yes="Drain"), self._drain)

    async def _drain(self, yes: bool | None) -> None:
        if not yes:
            return
        try:
            await self.link.client.drain()
        except DepthFlowError as error:
            self.flow.complain(error)
        else:
            self.notify("The daemon ends when its running jobs are done.")
