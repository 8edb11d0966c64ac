"""The queue: all jobs as a live table, what can be done with them, and photos on their way in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Input, Static

from depthflow.tui.joblist import JobList, Query
from depthflow.tui.link import JobsChanged, LinkChanged, LinkState, SystemChanged
from depthflow.tui.screens.queue_work import QueueWork
from depthflow.tui.widgets import jobtable
from depthflow.tui.widgets.filterbar import STATES, FilterBar, Search, say
from depthflow.tui.widgets.jobpane import JobPane
from depthflow.tui.widgets.jobtable import JobTable, TableHead
from depthflow.tui.widgets.offer import Offer

FRAME_S = 0.1
"""News of jobs are shown together, this often at most."""
AGE_S = 20.0
"""Ages are drawn anew this often."""
WIDE = 120
"""Cells from which on the pane has its place beside the table."""


class QueueScreen(QueueWork):
    PLACE = "queue"
    CSS_PATH = "queue.tcss"
    AUTO_FOCUS = "JobTable"
    HELP = """\
# Queue

Jobs: what runs, what comes next, what is done. They stay in the order in which they will be made until you choose
another one.

- **Add photos**: `a` opens the browser; or drop photos onto the terminal, or paste their paths.
- **Several jobs**: `space` selects, `shift` with arrows stretches, `ctrl+a` takes all that are shown. Commands then
  mean all of them.
- **Find**: `/` looks in name, folder, preset, error; `#12` is a number. `1` to `7` show one state, `0` all.
- **Order**: `s` goes through orders, `S` turns them round, or click a column's head.
- **See**: `enter` opens what is known of a job: pictures, times, results, log, and the command that does the same;
  `tab` goes there, to scroll.
- **Again**: `r` queues a job again that failed or was cancelled; `d` makes the same photo with another preset or size.
- **Results**: `o` opens the video, `O` its folder, `y` copies the command.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        # As useful as they are, for the footer shows as many as there is room for.
        Binding("a", "add", "Add photos", id="queue.add"),
        Binding("enter", "details", "Details", id="queue.details"),
        Binding("o", "open", "Open", id="queue.open"),
        Binding("c", "cancel", "Cancel", id="queue.cancel"),
        Binding("r", "retry", "Retry", id="queue.retry"),
        Binding("p", "pause", "Pause", id="queue.pause"),
        # Before all others, so that what is typed right after it goes into the search and is not taken for commands.
        Binding("slash", "search", "Find", id="queue.search", key_display="/", priority=True),
        Binding("d", "again", "Make again", tooltip="In another way", id="queue.again"),
        Binding("h", "hold", "Hold or release", id="queue.hold"),
        Binding("plus", "priority(10)", "Sooner", id="queue.sooner", key_display="+"),
        Binding("minus", "priority(-10)", "Later", id="queue.later", key_display="-"),
        Binding("y", "copy", "Copy the command", id="queue.copy"),
        Binding("n", "new", "New job from its photo", id="queue.new", show=False),
        Binding("O", "open_folder", "Open the folder", id="queue.open-folder", show=False),
        Binding("s", "sort", "Next order", id="queue.sort", show=False),
        Binding("S", "turn_round", "Turn the order round", id="queue.turn-round", show=False),
        Binding("0", "state('all')", "All states", id="queue.all", show=False),
        *(
            Binding(str(number), f"state('{state}')", f"Only {state}", id=f"queue.{state}", show=False)
            for number, state in enumerate(STATES, 1)
        ),
        Binding("ctrl+t", "start_daemon", "Start a daemon", id="queue.start-daemon", show=False),
        Binding("escape", "back", "Back", id="queue.back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[int] | None = set()
        self._frame: Timer | None = None
        self._wants_pane: bool | None = None

    def clock(self) -> datetime:
        return jobtable.now()

    def body(self) -> ComposeResult:
        self.jobs = JobList(self.link.jobs)
        self.table = JobTable(self.jobs, clock=self.clock)
        yield FilterBar(self.jobs)
        with Horizontal(id="queue-main"):
            with Vertical(id="queue-list"):
                yield Static(id="offline")
                yield TableHead(self.table)
                yield self.table
                with Vertical(id="empty"):
                    yield Static(id="empty-text")
                    yield Button("Start a daemon here (ctrl+t)", id="start-daemon", compact=True)
            yield JobPane(lambda: self.link.client, self.clock, id="pane")
        yield Offer()

    def on_mount(self) -> None:
        self.flow.jobs_changed.subscribe(self, self._hear_jobs)
        self.flow.link_changed.subscribe(self, self._hear_link)
        self.flow.system_changed.subscribe(self, self._hear_system)
        self.set_interval(AGE_S, self._older)
        self._flush()

    # -- news ------------------------------------------------------------------------------------------------------

    def _hear_jobs(self, news: JobsChanged) -> None:
        if news.jobs is None:
            self._waiting = None
        elif self._waiting is not None:
            self._waiting |= news.jobs
        if self._frame is None and self.is_current:
            self._frame = self.set_timer(FRAME_S, self._flush)

    def on_screen_resume(self) -> None:
        if self.is_mounted and self._frame is None:
            self._flush()

    def _flush(self) -> None:
        """Show what has come since the last time."""
        self._frame = None
        numbers, self._waiting = self._waiting, set()
        self.table.changed(numbers)
        self._count()
        pane = self.query_one(JobPane)
        cursor = self.table.cursor
        if pane.display:
            job = None if cursor is None else self.link.jobs.get(cursor)
            again = job is not None and pane.job is not None and _happened(pane.job, job)
            if job is not pane.job:
                pane.show(job, again=again)

    def _hear_link(self, news: LinkChanged) -> None:
        self._count()

    def _hear_system(self, news: SystemChanged) -> None:
        self._count()

    def _older(self) -> None:
        if self.is_current and len(self.jobs):
            self.table.refresh()

    def _count(self) -> None:
        book = self.link.jobs
        self.query_one(FilterBar).show(book.counts, len(book), len(self.table.chosen))
        nothing = not len(self.jobs)
        offline = self.link.state is LinkState.OFFLINE and len(book) > 0
        self.query_one("#offline").display = offline
        if offline:
            say(self.query_one("#offline", Static), self._why_offline())
        empty = self.query_one("#empty")
        empty.display = nothing
        self.table.display = not nothing
        if nothing:
            say(self.query_one("#empty-text", Static), self._why_empty())
            self.query_one("#start-daemon").display = self._may_start
        elif self.focused is None and self.is_current:
            self.table.focus()

    @property
    def _may_start(self) -> bool:
        return self.link.may_start and self.link.state is LinkState.OFFLINE

    def _why_offline(self) -> Content:
        """Above the jobs as they were last heard of."""
        ways = [self.link.hint, "ctrl+t starts a daemon here" if self._may_start else ""]
        way = "; ".join(each for each in ways if each)
        return Content.assemble(("Offline: ", "bold"), self.link.why, (f"  {way}" if way else "", "$foreground 60%"))

    def _why_empty(self) -> Content:
        link = self.link
        if link.state is LinkState.OFFLINE:
            return Content.assemble(
                ("Offline\n\n", "bold $text-error"), link.why, (f"\n{link.hint}", "$foreground 60%")
            )
        if link.state is not LinkState.ONLINE:
            return Content.styled(f"{link.state.value} …", "$foreground 60%")
        if len(link.jobs):
            return Content.assemble(("Nothing matches\n\n", "bold"), ("esc shows all jobs again", "$foreground 60%"))
        if not link.loaded:
            return Content.styled("reading the queue …", "$foreground 60%")
        return Content.assemble(
            ("No jobs yet\n\n", "bold"), "Drop photos onto this window, or paste their paths\n",
            ("a", "bold $accent"), ("  chooses photos in a browser", "$foreground 60%"),
        )  # fmt: skip

    # -- what is shown ---------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self._place_pane()
        self._count()

    def _place_pane(self) -> None:
        """Beside the table where there is room, unless it was closed; else below it, when it is asked for."""
        pane, wide = self.query_one(JobPane), self.has_class("wide")
        shown = wide if self._wants_pane is None else self._wants_pane
        if shown != pane.display:
            pane.display = shown
        if shown:
            pane.show(None if self.table.cursor is None else self.link.jobs.get(self.table.cursor), again=True)

    def action_details(self) -> None:
        self._wants_pane = not self.query_one(JobPane).display
        self._place_pane()
        if not self._wants_pane:
            self.table.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash within a field is a slash."""
        return not isinstance(self.focused, Input) if action == "search" else super().check_action(action, parameters)

    def show_jobs(self, folder: str | None = None) -> None:
        """Those of a watched folder alone; None for all."""
        bar = self.query_one(FilterBar)
        bar.clear()
        if folder is not None:
            bar.ask(Query(folder=folder))

    def action_search(self) -> None:
        self.query_one(FilterBar).begin_search()

    def action_state(self, state: str) -> None:
        self.query_one(FilterBar).toggle(state)

    def action_sort(self) -> None:
        self.table.next_sort()

    def action_turn_round(self) -> None:
        self.table.turn_round()

    def action_back(self) -> None:
        """From the innermost thing outwards: what was offered, the selection, the filter, the pane."""
        offer = self.query_one(Offer)
        if offer.paths:
            offer.close()
        elif self.table.chosen:
            self.table.choose_none()
        elif self.jobs.query:
            self.query_one(FilterBar).clear()
        elif self.query_one(JobPane).display and not self.has_class("wide"):
            self.action_details()
        self.table.focus()

    @on(FilterBar.Asked)
    def _filter(self, event: FilterBar.Asked) -> None:
        if event.query != self.jobs.query:
            self.jobs.set(query=event.query)
            self.table.rearranged()
            self._count()
            self.query_one(TableHead).refresh()

    @on(Search.Left)
    def _leave_search(self) -> None:
        self.table.focus()

    @on(JobTable.Moved)
    def _moved(self) -> None:
        pane = self.query_one(JobPane)
        if pane.display:
            pane.show(None if self.table.cursor is None else self.link.jobs.get(self.table.cursor))

    @on(JobTable.Chosen)
    def _rechosen(self) -> None:
        self._count()
        self.query_one(TableHead).refresh()

    @on(JobTable.Opened)
    def _opened(self) -> None:
        self.action_details()

    @on(Button.Pressed, "#start-daemon")
    def action_start_daemon(self) -> None:
        if self._may_start:
            self.link.start_one()
        elif self.link.state is LinkState.ONLINE:
            self.notify("A daemon is running.")

    # -- photos that are dropped or pasted ---------------------------------------------------------------------------

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.offer(event.text)

    @on(Offer.Taken)
    def _offer_taken(self, event: Offer.Taken) -> None:
        self.table.focus()
        self.send([Path(path) for path in event.paths], preset=event.preset)

    @on(Offer.Closed)
    def _offer_closed(self) -> None:
        self.table.focus()


def _happened(old: object, new: object) -> bool:
    """Something else than progress."""
    plain = {"progress": None}
    return old.model_copy(update=plain) != new.model_copy(update=plain)  # type: ignore[attr-defined, no-any-return]
