"""What stands behind the queue and has no screen: book, rows, columns, pasted paths, commands, names of results."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import NOW, job, some_jobs
from typer.testing import CliRunner

from depthflow.client.models import Job, Progress
from depthflow.errors import InputError, ServerError, UsageError
from depthflow.jobs.library import resolve
from depthflow.jobs.spec import JobSpec
from depthflow.tui import sending
from depthflow.tui.columns import age, bar, laid_out, span
from depthflow.tui.command import render_command
from depthflow.tui.doing import each
from depthflow.tui.jobbook import JobBook
from depthflow.tui.joblist import SORTS, JobList, Query, seconds_left, share, state_of
from depthflow.tui.pasted import paths_in
from depthflow.tui.widgets.jobtable import cut, fit
from depthflow.tui.widgets.masthead import sparkline

DRAWING = Progress(stage="render", done=50, total=200, seconds=5.0, rate=10.0)


def filled(jobs: list[Job]) -> tuple[JobBook, JobList]:
    book = JobBook()
    book.put(jobs)
    return book, JobList(book)


# -- the book --------------------------------------------------------------------------------------------------------


def test_what_is_older_than_what_is_known_is_passed_over_but_not_in_an_event() -> None:
    book = JobBook()
    late = NOW + timedelta(seconds=5)
    book.put([job(1, "running", changed_at=late)])
    assert book.put([job(1, "queued", changed_at=NOW)]) == set()
    assert book.put([job(1, "running", changed_at=late)]) == set()
    # A clock that went back: events come in their order all the same.
    assert book.hear([job(1, "done", changed_at=NOW)]) == {1}
    assert book.counts["done"] == 1
    assert book.counts["running"] == 0


def test_counts_and_the_rate_follow_every_change() -> None:
    book = JobBook()
    book.put([job(1, "running", progress=DRAWING), job(2, "running"), job(3, "done")])
    assert book.rate == 10.0
    assert book.progress(2, DRAWING.model_copy(update={"rate": 2.5}))
    assert book.rate == 12.5
    assert not book.progress(3, DRAWING)
    assert not book.progress(9, DRAWING)
    book.hear([job(1, "done")])
    assert (book.rate, book.counts["done"], book.counts["running"]) == (2.5, 2, 1)
    assert book.drop([2, 9]) == {2}
    assert (book.rate, book.counts["running"], len(book)) == (0.0, 0, 2)


# -- rows ------------------------------------------------------------------------------------------------------------


def test_first_what_runs_then_what_comes_next_then_what_has_ended() -> None:
    when = {number: NOW + timedelta(seconds=number) for number in range(10)}
    jobs = [
        job(1, "queued"),
        job(2, "queued", priority=10),
        job(3, "done", changed_at=when[3]),
        job(4, "running"),
        job(5, "failed", changed_at=when[5]),
        job(6, "queued", held=True, priority=50),
        job(7, "waiting"),
        job(8, "queued"),
    ]
    _, rows = filled(jobs)
    assert list(rows) == [4, 2, 1, 8, 6, 7, 5, 3]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_rows_that_are_moved_one_by_one_lie_as_if_all_were_sorted(sort: str, backwards: bool) -> None:
    rng = random.Random(1)  # noqa: S311
    states = ["queued", "running", "done", "failed", "waiting", "cancelled"]

    def made(number: int) -> Job:
        state = rng.choice(states)
        progress = DRAWING.model_copy(update={"done": rng.randrange(200)}) if state == "running" else None
        at = NOW + timedelta(seconds=rng.randrange(1000))
        more: dict[str, Any] = {"preset": rng.choice(["film", "night", None]), "changed_at": at, "progress": progress}
        return job(number, state, priority=rng.randrange(-3, 3), attempt=rng.randrange(3), **more)

    book, rows = filled([made(number) for number in range(1, 200)])
    rows.set(query=Query("photo", frozenset({"queued", "running", "done"})), sort=sort, backwards=backwards)
    for _ in range(100):
        numbers = [rng.randrange(1, 230) for _ in range(rng.randrange(1, 5))]
        book.hear(made(number) for number in numbers)
        gone = [rng.randrange(1, 230)] if rng.random() < 0.2 else []
        rows.update({*numbers, *book.drop(gone)})
    fresh = JobList(book)
    fresh.set(query=rows.query, sort=sort, backwards=backwards)
    assert list(rows) == list(fresh)
    assert len(rows) > 20
    for row, number in enumerate(rows):
        assert rows.number(row) == number
        assert rows.row(number) == row
    assert rows.number(len(rows)) is None
    assert rows.row(999) is None


def test_a_filter_takes_all_words_a_number_and_states() -> None:
    _, rows = filled(some_jobs())

    def found(text: str, *states: str) -> list[int]:
        rows.set(query=Query(text, frozenset(states)), sort="newest")
        return list(rows)

    assert found("ÜNÏCÖDÉ cinematic") == [7]
    assert found("disk full") == [4]
    assert found("#3") == [3]
    assert found("holidays") == [2]
    assert found("", "held") == [6]
    assert found("", "failed", "done") == [3, 2]
    assert found("photo", "running") == [5]
    assert found("nothing of the kind") == []


def test_an_update_says_whether_rows_moved() -> None:
    book, rows = filled(some_jobs())
    book.progress(5, DRAWING)
    assert not rows.update({5})
    book.hear([job(5, "done")])
    assert rows.update({5})
    assert rows.update(None) is False


def test_a_job_in_words() -> None:
    assert state_of(job(1, "queued", held=True)) == "held"
    assert state_of(job(1, "running", stopping=True)) == "stopping"
    running = job(1, "running", progress=DRAWING)
    assert (share(running), seconds_left(running)) == (0.25, 15.0)
    assert share(job(1, "done", progress=DRAWING)) is None
    assert seconds_left(job(1, "running")) is None


# -- columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(40, 260))
def test_columns_fill_the_width(width: int) -> None:
    columns = laid_out(width)
    assert sum(cells for _, cells in columns) + len(columns) - 1 == width
    assert sum(column.name == "state" for column, _ in columns) == 1
    assert {column.name: cells for column, cells in columns}["name"] >= min(14, width - 33)


def test_more_room_shows_more() -> None:
    names = {width: {column.name for column, _ in laid_out(width)} for width in (80, 120, 200)}
    assert names[80] == {"state", "name", "preset", "bar", "percent", "left", "age"}
    assert names[120] - names[80] == {"id", "stage", "rate", "attempt", "priority"}
    assert names[200] - names[120] == {"folder"}


@pytest.mark.parametrize(
    ("seconds", "said"), [(8, "8 s"), (187, "3:07"), (7500, "2 h 05"), (200000, "2 d"), (59.9, "60 s")]
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_ages() -> None:
    assert age(NOW, NOW) == "now"
    assert age(NOW - timedelta(minutes=5), NOW) == "5 min"
    assert age(NOW - timedelta(days=3), NOW) == "3 d"
    assert age(NOW + timedelta(seconds=9), NOW) == "now"  # the daemon's clock is ahead


def test_bars_are_as_long_as_they_should_be() -> None:
    for done in (None, 0.0, 0.24, 0.5, 0.99, 1.0):
        assert len("".join(bar(done, 11))) == 11
    assert bar(0.5, 4) == ("━━", "──")
    assert bar(0.125, 4) == ("╸", "───")


def test_texts_are_fitted_by_cells_and_keep_their_ends() -> None:
    assert fit("photo.jpg", 12) == "photo.jpg   "
    assert fit("7", 3, right=True) == "  7"
    assert fit("a-very-long-name-of-a-photo.jpg", 15) == "a-very-…oto.jpg"
    assert fit("山山山山山山.jpg", 9) == "山山….jpg"
    assert cut("why it\nfailed", 8) == "why it …"


def test_a_sparkline_reaches_from_floor_to_ceiling() -> None:
    assert sparkline([0, 5, 10]) == "▁▄█"
    assert sparkline([0, 0]) == "▁▁"


# -- pasted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0}/a b.jpg", ["a b.jpg"]),
        ("'{0}/a b.jpg'", ["a b.jpg"]),
        ('"{0}/a b.jpg" {0}/c.png', ["a b.jpg", "c.png"]),
        (r"{0}/a\ b.jpg {0}/c.png ", ["a b.jpg", "c.png"]),
        ("file://{0}/a%20b.jpg\r\nfile://localhost{0}/c.png\r\n", ["a b.jpg", "c.png"]),
        ("# comment\n{0}/c.png\n{0}/c.png\n{0}/gone.png", ["c.png"]),
        ("it's {0}/c.png", ["c.png"]),
        ("copy\nfile://{0}/holiday", ["holiday"]),
        ("just words", []),
        ("", []),
        ("\0", []),
    ],
)
def test_paths_are_found_in_what_is_pasted(text: str, names: list[str], tmp_path: Path) -> None:
    for name in ("a b.jpg", "c.png"):
        (tmp_path / name).touch()
    (tmp_path / "holiday").mkdir()
    assert [path.name for path in paths_in(text.replace("{0}", str(tmp_path)))] == names


def test_a_long_paste_and_a_path_that_is_too_long_are_nothing() -> None:
    assert paths_in("x" * 5000) == []
    assert paths_in("~nobody-of-this-name/x.jpg") == []


# -- commands --------------------------------------------------------------------------------------------------------

CHANGES: list[dict[str, Any]] = [
    {},
    {"preset": "cinematic"},
    {"motion": {"name": "zoom", "strength": 0.7, "reverse": True}, "camera": {"relief": 0.9, "focus": 0.1}},
    {"motion": {"name": "dolly", "loop": False, "hold": 1.5, "easing": "ease-in-out", "pivot": "nearest"}},
    {"motion": {"cycles": 2.0, "phase": 0.25, "pivot": 0.4}, "layers": {"count": 3}, "render": {"edge": "mirror"}},
    {"motion": {"name": "spin", "pivot": "surface", "pivot_x": 0.4, "pivot_y": -0.1}},
    {"camera": {"fov": 70.0, "isometric": 0.5}},
    {"depth": {"tiles": 2, "flip": True, "embedded": False, "gamma": 1.2, "far": 0.1}, "seed": 7},
    {"outputs": [{"size": "4k", "fps": 24.0, "duration": 2.5, "loops": 3, "format": "webm", "crf": 20, "fit": "pad"}]},
    {"outputs": [{"path": "/tmp/it's here.gif", "bitrate": 800000, "encoder": "software", "overwrite": True}]},
    {"outputs": [{"view": {"mode": "anaglyph", "anaglyph": "dubois", "separation": 2.5, "swap": True}}]},
    {"outputs": [{"view": {"mode": "quilt", "quilt": "8x6"}, "target_bytes": 8000000}]},
    {"effects": {"vignette": {"strength": 0.4}, "caption": {"text": "Grüße; $HOME"}, "dof": {"linear": False}}},
    {"effects": {"particles": {"kind": "snow", "amount": 0.5}, "fog": {"density": 1.25, "colour": "#ffffff"}}},
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_command_makes_the_job_that_it_stands_for(change: dict[str, Any], photo: Path) -> None:
    """Read back by the program's own options."""
    from depthflow.cli import app

    spec = resolve(JobSpec.parse({"photo": str(photo), **change}))
    command = render_command(spec.to_dict())
    assert command.words[:2] == ("depthflow", "render")
    printed = CliRunner().invoke(app, [*command.words[1:], "--print-job"], catch_exceptions=False)
    assert printed.exit_code == 0, printed.output
    assert resolve(JobSpec.from_toml(printed.output)).canonical() == spec.canonical()
    assert command.whole


def test_a_command_of_a_preset_is_short(photo: Path) -> None:
    from depthflow.api import build_spec

    spec = resolve(build_spec(str(photo), preset="cinematic"))
    command = render_command(spec.to_dict())
    assert command.words == ("depthflow", "render", str(photo), "--preset", "cinematic")
    assert command.whole


def test_what_has_no_option_is_said(photo: Path) -> None:
    part = [{"parameter": "x", "kind": "sine", "amount": 0.1}]
    for change in (
        {"motion": {"components": part}},
        {"render": {"supersample": 2.0}},
        {"outputs": [{}, {"format": "gif"}]},
    ):
        assert not render_command({"photo": str(photo), **change}).whole


def test_a_command_is_safe_in_a_shell() -> None:
    import shlex

    command = render_command({"photo": "/tmp/$(touch x); 'a'.jpg"})
    assert shlex.split(str(command)) == list(command.words)
    assert render_command({"photo": "-x.jpg"}).words[2] == "./-x.jpg"


# -- doing and sending -----------------------------------------------------------------------------------------------


async def test_many_things_are_done_and_summed_up() -> None:
    async def act(number: int) -> int:
        if number == 3:
            raise UsageError("job 3 is done already", "depthflow retry")
        return number

    outcome = await each(range(1, 6), act)
    assert sorted(outcome.done) == [1, 2, 4, 5]
    assert outcome.sentence("cancelled") == (
        "4 jobs cancelled; 1 not: job 3 is done already",
        "depthflow retry",
        "warning",
    )
    assert (await each([3], act)).sentence("cancelled") == ("job 3 is done already", "depthflow retry", "error")
    assert (await each([1], act)).sentence("cancelled") == ("1 job cancelled", "", "information")


async def test_a_daemon_that_is_gone_is_not_asked_a_thousand_times() -> None:
    asked = 0

    async def act(number: int) -> int:
        nonlocal asked
        asked += 1
        raise ServerError("no daemon is running", "start one")

    outcome = await each(range(1000), act)
    assert asked < 20
    assert outcome.left == 1000 - asked
    assert outcome.sentence("queued")[0] == "1000 not: no daemon is running"


class Taken:
    """A daemon whose first results have been made already."""

    def __init__(self, *places: str) -> None:
        self.places, self.asked = places, []

    async def submit(self, photo: str, *, preset: Any, spec: dict[str, Any], roots: Any) -> Job:
        path = spec.get("outputs", [{}])[0].get("path") or str(Path(photo).with_suffix(".mp4"))
        self.asked.append(path)
        if path in self.places:
            raise ServerError(f"{path}: is there already", "--overwrite replaces it")
        return job(1, source=photo)


async def test_a_result_that_is_there_is_not_replaced() -> None:
    daemon = Taken("/p/cat-5.mp4", "/p/cat-5-2.mp4")
    await sending.submit(daemon, "/p/cat-5.jpg")  # type: ignore[arg-type]
    assert daemon.asked == ["/p/cat-5.mp4", "/p/cat-5-2.mp4", "/p/cat-5-3.mp4"]


async def test_another_refusal_is_told() -> None:
    class Refuses:
        async def submit(self, *args: Any, **more: Any) -> Job:
            raise InputError("/p/cat.jpg: not an image")

    with pytest.raises(InputError):
        await sending.submit(Refuses(), "/p/cat.jpg")  # type: ignore[arg-type]


def test_another_job_like_one() -> None:
    spec = {
        "version": 1, "photo": "/p/cat.jpg", "preset": "film", "seed": 3, "motion": {"name": "zoom"},
        "outputs": [{"path": "/p/cat.mp4", "overwrite": True, "fps": 24.0, "size": "1080p"}],
    }  # fmt: skip
    assert sending.varied(spec, same_look=True, output={"size": "720p"}) == {
        "seed": 3, "motion": {"name": "zoom"}, "outputs": [{"fps": 24.0, "size": "720p"}],
    }  # fmt: skip
    assert sending.varied(spec, same_look=False, output={"size": "720p"}) == {"seed": 3, "outputs": [{"size": "720p"}]}
    spec["outputs"][0]["path"] = "/results/cat.mp4"
    changed = sending.varied(spec, same_look=True, output={"format": "gif"})
    assert changed["outputs"][0]["path"] == "/results/cat-2.gif"
