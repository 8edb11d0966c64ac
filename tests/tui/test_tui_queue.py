"""The queue: every key of its screen, what it asks of the daemon, and what it shows; the daemon is scripted."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import NOW, FakeLink, job, some_jobs, system
from PIL import Image
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from depthflow.client.models import Job, JobDetail, Preset, Progress
from depthflow.errors import UsageError
from depthflow.jobs.spec import JobSpec
from depthflow.tui import opening, thumbnails
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.link import JobsChanged, SystemChanged
from depthflow.tui.screens.add_photos import AddPhotos
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.photo_browser import PhotoTree
from depthflow.tui.screens.queue import QueueScreen
from depthflow.tui.screens.queue_sheets import Again, Leave
from depthflow.tui.widgets import jobtable
from depthflow.tui.widgets.filterbar import Search
from depthflow.tui.widgets.jobpane import JobPane
from depthflow.tui.widgets.jobtable import JobTable, TableHead
from depthflow.tui.widgets.masthead import Masthead
from depthflow.tui.widgets.offer import Offer


def png(*, depth: bool = False) -> bytes:
    """A small picture: a slope for depth, else two colours."""
    pixels = np.zeros((60, 90, 3), np.uint8)
    if depth:
        pixels[:] = np.linspace(0, 255, 90, dtype=np.uint8)[None, :, None]
    else:
        pixels[:30], pixels[30:] = (70, 110, 190), (150, 120, 60)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def detail_of(job: Job) -> JobDetail:
    """All that is known of a scripted job."""
    spec = JobSpec(photo=f"/home/ana/{job.source}", preset="cinematic").to_dict()
    name = job.source.rpartition("/")[2].partition(".")[0]
    made = job.state == "done"
    facts = {"width": 1620, "height": 1080, "frames": 150, "fps": 30.0, "bytes": 3_456_789} if made else {}
    timings = {"load": 0.2, "depth": 1.4, "prepare": 0.8, "render": 5.2, "publish": 0.1}
    rows = [("added", {}), ("started", {"attempt": 1, "worker": "1"}), ("done", {})]
    log = [
        {"id": number, "at": NOW, "job": job.id, "kind": kind, "data": data}
        for number, (kind, data) in enumerate(rows[: 3 if made else 1], 1)
    ]
    return JobDetail.model_validate({
        **job.model_dump(), "spec": spec, "log": log,
        "outputs": [{"number": 1, "path": f"/home/ana/photos/{name}.mp4", "made": made, "facts": facts}],
        "attempts": [{"attempt": 1, "worker": "1", "started_at": NOW, "timings": timings}] if made else [],
    })  # fmt: skip


class Answers(FakeLink):
    """A daemon that changes its jobs as it is asked to."""

    def __init__(self, jobs: list[Job] | None = None, **answers: Any) -> None:
        super().__init__(jobs)
        names = ("cinematic", "dreamy", "film")
        self.client.answers = {
            "job": lambda number: detail_of(self._of(number)),
            "thumbnail": png(),
            "depth": png(depth=True),
            "presets": [Preset(name=name, description="", source="builtin") for name in names],
            "change": self._change,
            "cancel": lambda number: self._now(number, state="cancelled"),
            "retry": lambda number: self._now(number, state="queued", error=None),
            "submit": self._submit,
            **answers,
        }

    def asked(self, *names: str) -> list[tuple[Any, ...]]:
        return [(name, *args, *sorted(more.items())) for name, args, more in self.client.asked if name in names]

    def _of(self, number: int) -> Job:
        found = self.jobs.get(number)
        assert found is not None
        return found

    def _now(self, number: int, **more: Any) -> Job:
        return self._of(number).model_copy(update={"changed_at": NOW, **more})

    def _change(self, number: int, *, priority: int | None = None, hold: bool | None = None) -> Job:
        asked = {"priority": priority, "held": hold}
        return self._now(number, **{key: value for key, value in asked.items() if value is not None})

    def _submit(self, photo: str, **more: Any) -> Job:
        return job(
            max(self.jobs.numbers(), default=0) + 1, source=str(photo), preset=more.get("preset"), changed_at=NOW
        )


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobtable, "now", lambda: NOW)


@asynccontextmanager
async def queue(
    link: Answers | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[Pilot[None], QueueScreen, Answers]]:
    link = link or Answers()
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, QueueScreen) and app.screen.is_mounted)
        screen = app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: len(screen.jobs) == len(link.scripted))
        await until(pilot, lambda: len(screen.table.columns) > 0 or not link.scripted)
        yield pilot, screen, link


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Let the application go on until something holds."""
    async with asyncio.timeout(60):
        while not true():
            await pilot.pause()


def said(screen: QueueScreen) -> str:
    return "\n".join(each.message for each in screen.app._notifications)


def shown(screen: QueueScreen) -> list[int]:
    return list(screen.jobs)


def row_text(screen: QueueScreen, row: int) -> str:
    return screen.table.render_line(row).text


# -- the table -------------------------------------------------------------------------------------------------------


async def test_jobs_are_shown_and_the_cursor_begins_at_the_first() -> None:
    async with queue() as (_, screen, _):
        assert shown(screen) == [5, 7, 6, 4, 3, 2, 1]
        assert screen.table.cursor == 5
        assert "render" in row_text(screen, 0)
        assert "40%" in row_text(screen, 0)
        assert "Ünïcödé 山.jpg" in row_text(screen, 1)
        assert "the disk is full" in row_text(screen, 3)


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        ("down", 7),
        ("j j", 6),
        ("end", 1),
        ("G g", 5),
        ("end up k", 3),
        ("pagedown", 1),
        ("pagedown pageup", 5),
        ("up", 5),
    ],
)
async def test_the_cursor_moves(keys: str, cursor: int) -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press(*keys.split())
        assert screen.table.cursor == cursor


async def test_the_cursor_stays_with_its_job_when_rows_move() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("down")
        assert screen.table.cursor == 7
        link.jobs.hear([job(8, "running"), job(9, "running")])
        link.tell(JobsChanged(frozenset({8, 9})))
        await until(pilot, lambda: len(screen.jobs) == 9)
        assert screen.table.cursor == 7
        assert screen.jobs.row(7) == 3
        await pilot.press("down")
        assert screen.table.cursor == 6
        # A job that is gone leaves the cursor where it was.
        link.jobs.drop([6])
        link.tell(JobsChanged(frozenset({6})))
        await until(pilot, lambda: len(screen.jobs) == 8)
        assert screen.table.cursor == 4


async def test_the_cursor_is_at_the_first_job_until_somebody_moves_it() -> None:
    async with queue() as (pilot, screen, link):
        link.jobs.hear([job(4, "running"), job(5, "done", changed_at=NOW)])
        link.tell(JobsChanged(frozenset({4, 5})))
        await until(pilot, lambda: screen.table.cursor == 4)
        assert screen.table.scroll_offset.y == 0


async def test_progress_shows() -> None:
    async with queue() as (pilot, screen, link):
        link.jobs.progress(5, Progress(stage="render", done=120, total=150, seconds=6.0, rate=20.0))
        link.tell(JobsChanged(frozenset({5})))
        await until(pilot, lambda: "80%" in row_text(screen, 0))


async def test_jobs_are_selected_one_by_one_in_a_row_and_all() -> None:
    async with queue() as (pilot, screen, _):
        table = screen.table
        await pilot.press("space", "space")
        assert table.chosen == {5, 7}
        assert table.cursor == 6
        await pilot.press("shift+down", "shift+down")
        assert table.chosen == {5, 7, 6, 4, 3}
        await pilot.press("escape")
        assert table.chosen == set()
        await pilot.press("end", "shift+up")
        assert table.chosen == {1, 2}
        await pilot.press("ctrl+a")
        assert len(table.chosen) == 7
        assert "7 selected" in str(screen.query_one("#order", Static).content)
        await pilot.press("ctrl+a")
        assert table.chosen == set()


async def test_the_mouse_moves_selects_and_opens() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.click(JobTable, offset=(20, 2))
        assert screen.table.cursor == 6
        await pilot.click(JobTable, offset=(20, 4), shift=True)
        assert screen.table.chosen == {6, 4, 3}
        await pilot.click(JobTable, offset=(0, 4))
        assert screen.table.chosen == {6, 4}
        await pilot.click(JobTable, offset=(20, 1), control=True)
        assert screen.table.chosen == {6, 4, 7}
        assert not screen.query_one(JobPane).display
        await pilot.click(JobTable, offset=(20, 1), times=2)
        await until(pilot, lambda: screen.query_one(JobPane).display)


async def test_a_click_on_a_head_sorts_and_a_second_turns_round() -> None:
    async with queue() as (pilot, screen, _):
        offset = (2 + 12 + 2, 0)  # mark, state, gap
        await pilot.click(TableHead, offset=offset)
        assert (screen.jobs.sort.name, screen.jobs.backwards) == ("name", False)
        assert shown(screen)[0] == 1
        await pilot.click(TableHead, offset=offset)
        assert (screen.jobs.sort.name, screen.jobs.backwards) == ("name", True)
        assert shown(screen)[0] == 7


async def test_keys_sort() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press("down", "up", "s")
        assert shown(screen) == [7, 6, 5, 4, 3, 2, 1]
        await pilot.press("S")
        assert shown(screen) == [1, 2, 3, 4, 5, 6, 7]
        assert screen.table.cursor == 5
        for _ in range(6):
            await pilot.press("s")
        assert screen.jobs.sort.name == "turn"


async def test_text_filters_while_it_is_typed_and_escape_ends_it() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press("slash", *"disk")
        assert shown(screen) == [4]
        await pilot.press("enter")
        assert screen.focused is screen.table
        assert screen.query_one(Search).display
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.jobs) == 7)
        assert screen.query_one(Search).value == ""
        await pilot.press("slash", *"zzz")
        assert "Nothing matches" in str(screen.query_one("#empty-text", Static).content)
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.jobs) == 7)
        assert screen.focused is screen.table


async def test_what_is_typed_ahead_is_searched_for_and_is_no_command() -> None:
    async with queue() as (pilot, screen, link):
        for character in "/photo/r":
            name = "slash" if character == "/" else character
            screen.app.post_message(Key(name, character))
        await until(pilot, lambda: screen.query_one(Search).value == "photo/r")
        assert screen.jobs.sort.name == "turn"
        assert not link.asked("pause", "cancel", "retry")


async def test_states_filter_by_key_and_by_chip() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press("4", "5")
        assert shown(screen) == [3, 2]
        await pilot.press("0")
        assert len(screen.jobs) == 7
        await pilot.click("#chip-failed")
        await until(pilot, lambda: shown(screen) == [3])
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.jobs) == 7)


# -- the pane --------------------------------------------------------------------------------------------------------


async def test_details_open_below_and_show_all_that_is_known() -> None:
    async with queue(size=(80, 24)) as (pilot, screen, link):
        pane = screen.query_one(JobPane)
        assert not pane.display
        await pilot.press("end", "up", "enter")
        assert pane.display
        await until(pilot, lambda: pane.detail is not None and bool(link.asked("depth")))
        text = {
            name: str(pane.query_one(f"#pane-{name}", Static).content)
            for name in ("outputs", "stages", "command", "log")
        }
        assert "/home/ana/photos/photo2.mp4" in text["outputs"]
        assert "1620×1080 · 150 frames · 30 fps · 3.5 MB" in text["outputs"]
        assert "render" in text["stages"]
        assert "5.20 s" in text["stages"]
        assert text["command"].startswith("depthflow render /home/ana/photos/photo2.jpg")
        assert "started attempt 1, worker 1" in text["log"]
        await until(pilot, lambda: screen.query_one("#pictures").has_class("shown"))
        await pilot.press("enter")
        assert not pane.display


async def test_details_are_beside_the_table_where_there_is_room() -> None:
    async with queue(size=(160, 40)) as (pilot, screen, _link):
        pane = screen.query_one(JobPane)
        assert pane.display
        await until(pilot, lambda: pane.detail is not None)
        assert pane.region.x > screen.table.region.x
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not pane.display)


async def test_the_pane_keeps_up_with_its_job() -> None:
    async with queue(size=(160, 40)) as (pilot, screen, link):
        pane = screen.query_one(JobPane)
        await until(pilot, lambda: len(link.asked("job")) == 1)
        link.jobs.progress(5, Progress(stage="render", done=75, total=150, seconds=6.0, rate=20.0))
        link.tell(JobsChanged(frozenset({5})))
        await until(pilot, lambda: "75/150" in str(pane.query_one("#pane-progress", Static).content))
        assert len(link.asked("job")) == 1  # progress alone asks for nothing
        link.jobs.hear([job(5, "done", changed_at=NOW)])
        link.tell(JobsChanged(frozenset({5})))
        await until(pilot, lambda: len(link.asked("job")) == 2)


# -- commands --------------------------------------------------------------------------------------------------------


async def test_the_queue_is_paused_and_goes_on() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("p")
        await until(pilot, lambda: link.asked("pause") == [("pause",)])
        link.system = system(link.scripted, paused=True)
        link.tell(SystemChanged(link.system))
        await pilot.press("p")
        await until(pilot, lambda: link.asked("resume") == [("resume",)])
        assert "paused" in said(screen)


async def test_a_queued_job_is_cancelled_at_once_a_running_one_after_a_question() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("down", "c")
        await until(pilot, lambda: link.asked("cancel") == [("cancel", 7)])
        await until(pilot, lambda: link.jobs.counts["cancelled"] == 1)
        assert "1 job cancelled" in said(screen)
        await pilot.press("home", "c")
        await until(pilot, lambda: isinstance(screen.app.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: screen.app.screen is screen)
        assert len(link.asked("cancel")) == 1
        await pilot.press("c")
        await until(pilot, lambda: isinstance(screen.app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: link.asked("cancel")[1:] == [("cancel", 5)])


async def test_a_command_means_all_that_are_selected_and_says_one_thing() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("ctrl+a", "r")
        await until(pilot, lambda: sorted(link.asked("retry")) == [("retry", 3), ("retry", 4)])
        await until(pilot, lambda: "2 jobs queued again" in said(screen))


async def test_what_is_refused_is_said_with_the_way_out() -> None:
    link = Answers(cancel=UsageError("job 7 is done already", "depthflow retry queues it again"))
    async with queue(link) as (pilot, screen, _):
        await pilot.press("down", "c")
        await until(pilot, lambda: "job 7 is done already\ndepthflow retry" in said(screen))


async def test_jobs_are_held_and_released() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("down", "h")
        await until(pilot, lambda: link.asked("change") == [("change", 7, ("hold", True))])
        await until(pilot, lambda: "held" in said(screen))
        await pilot.press("h")
        await until(pilot, lambda: link.asked("change")[1:] == [("change", 7, ("hold", False))])


async def test_priorities_rise_and_fall_within_their_range() -> None:
    async with queue(Answers([job(1, priority=95)])) as (pilot, _screen, link):
        await pilot.press("plus")
        await until(pilot, lambda: link.asked("change") == [("change", 1, ("priority", 100))])
        await until(pilot, lambda: link.jobs.get(1).priority == 100)  # type: ignore[union-attr]
        await pilot.press("minus")
        await until(pilot, lambda: link.asked("change")[1:] == [("change", 1, ("priority", 90))])


async def test_without_a_job_the_pane_has_no_heads() -> None:
    async with queue(Answers([]), (120, 40)) as (_, screen, _):
        assert [title for title in screen.query("#pane .title") if title.display] == []


async def test_a_command_for_which_no_job_is_there_says_so() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("end", "r")
        await until(pilot, lambda: "photo1.jpg is skipped: it cannot be queued again." in said(screen))
        await pilot.press("ctrl+a", "home", "r")
        await until(pilot, lambda: link.asked("retry"))
        await pilot.press("escape", "end", "shift+up", "c")
        await until(pilot, lambda: "None of these 2 jobs can be cancelled." in said(screen))
        assert not link.asked("cancel")


@pytest.mark.parametrize("key", ["p", "a", "n", "d", "r"])
async def test_without_a_daemon_commands_say_so(key: str) -> None:
    async with queue() as (pilot, screen, link):
        link.go_offline("no daemon is running", "start one")
        await pilot.press("down", "down", "down", key)
        await until(pilot, lambda: "offline: no daemon is running" in said(screen))
        assert screen.app.screen is screen


async def test_offline_is_said_with_the_way_out_and_a_daemon_can_be_started() -> None:
    async with queue(Answers([])) as (pilot, screen, link):
        link.may_start = True
        link.go_offline("the daemon ended: the queue lies on a network share", "set store in depthflowd.toml")
        await pilot.pause()
        text = str(screen.query_one("#empty-text", Static).content)
        assert "network share" in text
        assert "depthflowd.toml" in text
        assert "network share" in str(screen.query_one(Masthead).query_one("#daemon", Static).content)
        await pilot.press("ctrl+t")
        assert link.started == 1
        await pilot.click("#start-daemon")
        assert link.started == 2


async def test_offline_is_said_above_the_jobs_until_the_daemon_is_back() -> None:
    async with queue() as (pilot, screen, link):
        offline = screen.query_one("#offline", Static)
        assert not offline.display
        link.may_start = True
        link.go_offline("the connection broke", "is it still running?")
        await until(pilot, lambda: offline.display)
        assert (
            str(offline.content) == "Offline: the connection broke  is it still running?; ctrl+t starts a daemon here"
        )
        assert len(screen.jobs) == 7
        link.go_online()
        await until(pilot, lambda: not offline.display)


async def test_the_result_and_its_folder_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    async def note(path: Path) -> None:
        opened.append(path)

    monkeypatch.setattr(opening, "open_path", note)
    video = tmp_path / "cat.mp4"
    video.touch()
    link = Answers([job(1, "done")])
    link.client.answers["job"] = lambda number: detail_of(link.scripted[0]).model_copy(
        update={"outputs": [detail_of(link.scripted[0]).outputs[0].model_copy(update={"path": str(video)})]}
    )
    async with queue(link) as (pilot, _, _):
        await pilot.press("o")
        await until(pilot, lambda: opened == [video])
        await pilot.press("O")
        await until(pilot, lambda: opened == [video, tmp_path])


async def test_a_result_of_a_daemon_elsewhere_is_fetched_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    async def note(path: Path) -> None:
        opened.append(path)

    monkeypatch.setattr(opening, "open_path", note)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / "Downloads").mkdir()
    (tmp_path / "Downloads" / "photo1.mp4").touch()
    async with queue(Answers([job(1, "done")])) as (pilot, _, link):
        link.local = False
        await pilot.press("o")
        target = tmp_path / "Downloads" / "photo1-2.mp4"
        await until(pilot, lambda: link.asked("download") == [("download", 1, 1, target)])
        await until(pilot, lambda: opened == [target])


async def test_a_job_without_a_result_says_so() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press("o")
        await until(pilot, lambda: "photo5.jpg has no result yet" in said(screen))


async def test_the_command_is_copied() -> None:
    async with queue() as (pilot, screen, _):
        await pilot.press("y")
        await until(pilot, lambda: screen.app.clipboard.startswith("depthflow render /home/ana/photos/photo5.jpg"))


async def test_a_job_is_made_again_with_another_size() -> None:
    async with queue() as (pilot, screen, link):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(screen.app.screen, Again))
        sheet = screen.app.screen
        size = sheet.query_one("#size", Input)
        size.value = "12"
        await pilot.press("ctrl+s")
        assert "is not understood" in str(sheet.query_one("#problem", Static).content)
        size.value = "720p"
        sheet.query_one("#format", Select).value = "gif"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(link.asked("submit")))
        _, photo, *more = link.asked("submit")[0]
        asked = dict(more)
        assert (photo, asked["preset"]) == ("/home/ana/photos/photo5.jpg", None)
        assert asked["spec"]["outputs"][0] | {"size": "720p", "format": "gif"} == asked["spec"]["outputs"][0]
        assert "overwrite" not in asked["spec"]["outputs"][0]
        await until(pilot, lambda: screen.table.cursor == 8)


async def test_a_job_is_made_again_with_another_preset() -> None:
    async with queue(Answers([job(1, "done", preset="cinematic")])) as (pilot, screen, link):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(screen.app.screen, Again))
        screen.app.screen.query_one("#preset", Select).value = "film"
        await pilot.click("#submit")
        await until(pilot, lambda: bool(link.asked("submit")))
        asked = dict(link.asked("submit")[0][2:])
        assert asked["preset"] == "film"
        assert "motion" not in asked["spec"]


async def test_a_job_goes_to_the_studio_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        DepthFlowApp, "open_in_studio", lambda self, photo, spec: gone.append((photo, spec["preset"])), raising=False
    )
    async with queue() as (pilot, screen, _):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(screen.app.screen, Again))
        await pilot.click("#studio")
        await until(pilot, lambda: gone == [("/home/ana/photos/photo5.jpg", "cinematic")])


# -- adding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b cat.jpg", "dog.png"):
        Image.new("RGB", (64, 48), (200, 80, 40)).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "holiday").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "holiday" / "sea.jpg")
    return tmp_path


async def test_what_is_pasted_is_offered_and_sent(photos: Path) -> None:
    async with queue() as (pilot, screen, link):
        screen.app.post_message(Paste(f"'{photos}/b cat.jpg' file://{photos}/holiday {photos}/notes.txt"))
        offer = screen.query_one(Offer)
        await until(pilot, lambda: offer.display)
        assert str(offer.query_one("#offer-text", Static).content) == "Add 2 paths: b cat.jpg, holiday/"
        screen.query_one("#offer-preset", Select).value = "film"
        await pilot.press("enter")
        await until(pilot, lambda: len(link.asked("submit")) == 2)
        assert [Path(each[1]).name for each in link.asked("submit")] == ["b cat.jpg", "sea.jpg"], "in their order"
        assert all(dict(each[2:])["preset"] == "film" for each in link.asked("submit"))
        assert not offer.display
        await until(pilot, lambda: "2 jobs queued with film" in said(screen))


async def test_what_is_pasted_can_be_refused_and_what_is_none_is_said(photos: Path) -> None:
    async with queue() as (pilot, screen, link):
        screen.app.post_message(Paste(f"{photos}/dog.png"))
        offer = screen.query_one(Offer)
        await until(pilot, lambda: offer.display)
        await pilot.press("escape")
        assert not offer.display
        assert screen.focused is screen.table
        screen.app.post_message(Paste("no path at all"))
        await until(pilot, lambda: "no photo or folder" in said(screen))
        assert not link.asked("submit")


async def test_photos_are_chosen_in_the_browser(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    async with queue() as (pilot, screen, link):
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddPhotos))
        sheet = screen.app.screen
        tree = sheet.query_one(PhotoTree)
        await until(pilot, lambda: len(tree.root.children) == 3)
        assert [str(node.label) for node in tree.root.children] == ["holiday", "b cat.jpg", "dog.png"]
        await pilot.press("down", "down")
        await until(pilot, lambda: "b cat.jpg  64×48" in str(sheet.query_one("#facts", Static).content))
        await pilot.press("space", "space")
        assert str(sheet.query_one("#marked", Static).content) == "2 marked"
        await pilot.press("enter")
        await until(pilot, lambda: len(link.asked("submit")) == 2)
        assert {Path(each[1]).name for each in link.asked("submit")} == {"b cat.jpg", "dog.png"}


async def test_a_path_is_completed_and_sent(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    async with queue() as (pilot, screen, link):
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddPhotos))
        sheet = screen.app.screen
        path = sheet.query_one("#path", Input)
        await pilot.press("ctrl+l")
        assert path.has_focus
        path.value = f"{photos}/d"
        path.cursor_position = len(path.value)
        await pilot.press("tab")  # it does not wait for the suggestion
        await until(pilot, lambda: path.value == f"{photos}/dog.png")
        await pilot.press("enter")
        await until(pilot, lambda: len(link.asked("submit")) == 1)


async def test_a_path_is_begun_anywhere_and_not_left_half_written(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    async with queue() as (pilot, screen, _):
        rung: list[bool] = []
        monkeypatch.setattr(screen.app, "bell", lambda: rung.append(True))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddPhotos))
        path = screen.app.screen.query_one("#path", Input)
        await until(pilot, lambda: screen.app.screen.query_one("#tree").has_focus)
        await pilot.press("slash", *"nowhere")
        assert path.value == "/nowhere"
        await pilot.press("tab")
        await until(pilot, lambda: rung)
        assert path.has_focus
        path.value = f"{photos}/dog.png"
        await pilot.press("tab")
        await until(pilot, lambda: not path.has_focus)


async def test_a_path_that_is_not_there_is_said(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    async with queue() as (pilot, screen, link):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(screen.app.screen, AddPhotos))
        sheet = screen.app.screen
        assert sheet.query_one("#path", Input).value == "photos/photo5.jpg"
        await pilot.press("enter")
        await until(pilot, lambda: "is not there" in str(sheet.query_one("#facts", Static).content))
        await pilot.press("escape")
        await until(pilot, lambda: screen.app.screen is screen)
        assert not link.asked("submit")


async def test_a_browser_that_is_closed_at_once_looks_at_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    looked = asyncio.Event()
    here = asyncio.get_running_loop()

    def look(path: Path) -> thumbnails.Thumbnail:
        here.call_soon_threadsafe(looked.set)
        return thumbnails.Thumbnail(None, (1, 1), 1)

    monkeypatch.setattr(thumbnails, "of_photo", look)
    async with queue() as (pilot, screen, _link):
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.app.screen, AddPhotos))
        sheet = screen.app.screen
        tree = sheet.query_one(PhotoTree)
        await until(pilot, lambda: len(tree.root.children) == 3)
        await pilot.press("end")
        await looked.wait()
        sheet.dismiss(None)
        await until(pilot, lambda: screen.app.screen is screen and not sheet.is_attached)
        await pilot.press("down")
        assert screen.table.cursor == 7


# -- leaving ---------------------------------------------------------------------------------------------------------


async def test_quitting_asks_if_a_daemon_of_ours_has_work() -> None:
    async with queue() as (pilot, screen, link):
        link.private = True
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(screen.app.screen, Leave))
        await pilot.press("s")
        await until(pilot, lambda: screen.app.screen is screen)
        assert not link.closed
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(screen.app.screen, Leave))
        await pilot.press("k")
        await until(pilot, lambda: link.closed)
        assert link.kept is True


@pytest.mark.parametrize(
    ("private", "shared", "jobs"),
    [
        (False, False, None),
        (True, True, None),
        (True, False, []),
        (True, False, [job(1, "queued", held=True), job(2, "done")]),
    ],
)
async def test_quitting_does_not_ask_where_nothing_is_lost(private: bool, shared: bool, jobs: list[Job] | None) -> None:
    async with queue(Answers(jobs)) as (pilot, screen, link):
        app = screen.app
        link.private, link.shared = private, shared
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)
    assert link.closed
    assert link.kept is False


# -- how it looks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"])
def test_it_looks_like_this(size: tuple[int, int], snap_compare: Callable[..., bool]) -> None:
    link = Answers(look_jobs())
    link.rates.extend([0, 4, 9, 14, 18, 20, 19, 21, 20])

    async def settle(pilot: Pilot[None]) -> None:
        screen = pilot.app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: len(screen.jobs) == len(link.scripted))
        await pilot.press("space", "down")
        pane = screen.query_one(JobPane)
        if pane.display:
            await until(pilot, lambda: pane.detail is not None and screen.query_one("#pictures").has_class("shown"))
            await until(pilot, lambda: screen.query_one("#depth").display)

    assert snap_compare(DepthFlowApp(link=link), terminal_size=size, run_before=settle)  # type: ignore[arg-type]


def look_jobs() -> list[Job]:
    """Some of each kind, with names as people have them."""
    names = ("harbour-at-dawn.jpg", "grandmother 1952.png", "IMG_20260714_183022.heic", "Zürich, Limmatquai.webp")
    more = [
        job(number, "done", source=f"photos/{names[number % 4]}", preset=("film", "dreamy", "night")[number % 3])
        for number in range(20, 32)
    ]
    return [*more, *some_jobs()]
