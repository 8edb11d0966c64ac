"""Cells that were painted before Textual measured them."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import App, ComposeResult

from depthflow.tui.widgets.fitted_table import FittedTable


class Bench(App[None]):
    CSS = "FittedTable { width: 50; height: 6; }"

    def compose(self) -> ComposeResult:
        yield FittedTable()


def test_rows_painted_before_they_are_measured_are_painted_whole_later() -> None:
    async def scenario() -> None:
        app = Bench()
        async with app.run_test(size=(60, 10)) as pilot:
            table = app.query_one(FittedTable)
            table.add_columns("", "check")
            await pilot.pause()
            table.add_row(Text("●"), Text("a sentence wider than its title"))
            assert "wider" not in table.render_line(1).text, "nothing is measured yet"
            await pilot.pause()
            assert "● " in table.render_line(1).text
            assert "a sentence wider than its title" in table.render_line(1).text

    asyncio.run(scenario())


async def test_home_and_end_are_the_first_and_the_last_row() -> None:
    app = Bench()
    async with app.run_test(size=(60, 10)) as pilot:
        table = app.query_one(FittedTable)
        table.cursor_type = "row"
        table.add_columns("one", "two")
        for number in range(30):
            table.add_row(Text(str(number)), Text("x"))
        table.focus()
        await pilot.press("end")
        assert table.cursor_row == 29
        await pilot.press("home")
        assert table.cursor_row == 0
