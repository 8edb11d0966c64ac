"""What keeps a preview in step with what is wanted, against scripted previews."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fakes import FakeClient, FakePreviews

from depthflow.client.frames import Frame
from depthflow.errors import DepthFlowError, ServerError, UsageError
from depthflow.tui.studio import player as module
from depthflow.tui.studio.player import Player, Wish, difference

WISH = Wish("a.jpg", "orbital", {"camera": {"zoom": 2}}, (64, 48))


class Seen:
    """What a player told, and when."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.troubles: list[DepthFlowError | None] = []
        self._news = asyncio.Event()

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._news.set()

    def trouble(self, error: DepthFlowError | None) -> None:
        self.troubles.append(error)
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def playing(previews: FakePreviews) -> AsyncGenerator[tuple[Player, Seen, FakeClient]]:
    client, seen = FakeClient(previews.answers), Seen()
    player = Player(client, frame=seen.frame, trouble=seen.trouble)  # type: ignore[arg-type]
    task = asyncio.create_task(player.run())
    try:
        yield player, seen, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_wish_is_begun_and_then_changed() -> None:
    async with playing(FakePreviews()) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.frames)
        assert client.calls("begin_preview") == [
            {"spec": WISH.spec, "preset": "orbital", "width": 64, "height": 48, "rate": 15.0, "show": "result"}
        ]
        player.want(replace(WISH, spec={"camera": {"focus": 0.5}}, size=(32, 24), show="depth"))
        await seen.until(lambda: seen.frames[-1].revision == 2)
        assert client.calls("change_preview") == [
            {"spec": {"camera": {"zoom": None, "focus": 0.5}}, "width": 32, "height": 24, "show": "depth"}
        ]
        assert player.revision == 2
        assert (seen.frames[-1].width, seen.frames[-1].height) == (32, 24)


async def test_wishes_that_come_at_once_become_one_change() -> None:
    previews = FakePreviews()
    async with playing(previews) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.frames)
        for zoom in range(3, 50):
            player.want(replace(WISH, spec={"camera": {"zoom": zoom}}))
        await seen.until(lambda: seen.frames[-1].revision == 2)
        assert client.calls("change_preview") == [{"spec": {"camera": {"zoom": 49}}}]


async def test_one_that_is_closed_while_a_change_is_on_its_way_is_changed_no_more() -> None:
    previews = FakePreviews()
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with playing(previews) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.frames)
        change = client.change_preview

        async def slow(*args: Any, **kwargs: Any) -> Any:
            answer = await change(*args, **kwargs)
            asked.set()
            await go_on.wait()
            return answer

        client.change_preview = slow  # type: ignore[method-assign]
        player.want(replace(WISH, spec={}))
        await asked.wait()
        await player.close()
        player.want(replace(WISH, size=(32, 24)))
        seen.frames.clear()
        go_on.set()
        await seen.until(lambda: seen.frames and seen.frames[-1].width == 32)
        assert (previews.begun, previews.ended) == (2, ["preview1"])


async def test_a_wish_that_comes_while_the_preview_is_ended_is_heard() -> None:
    previews = FakePreviews()
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with playing(previews) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.frames)

        async def slow(preview: str) -> None:
            asked.set()
            await go_on.wait()

        client.end_preview = slow  # type: ignore[method-assign]
        player.want(None)
        await asked.wait()
        player.want(WISH)
        go_on.set()
        await seen.until(lambda: previews.begun == 2)


async def test_a_better_wish_that_comes_while_one_is_being_refused_is_heard() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with playing(FakePreviews()) as (player, seen, client):
        begin = client.begin_preview

        async def slow(*args: Any, **kwargs: Any) -> Any:
            asked.set()
            await go_on.wait()
            if kwargs["preset"] == "orbital":
                raise UsageError("no such preset")
            return await begin(*args, **kwargs)

        client.begin_preview = slow  # type: ignore[method-assign]
        player.want(WISH)
        await asked.wait()
        player.want(replace(WISH, preset="dramatic"))
        go_on.set()
        await seen.until(lambda: seen.frames)


async def test_another_photo_or_no_preset_begins_anew() -> None:
    previews = FakePreviews()
    async with playing(previews) as (player, seen, client):
        for wish in (WISH, replace(WISH, photo="b.jpg"), replace(WISH, photo="b.jpg", preset=None)):
            player.want(wish)
            await seen.until(lambda: previews.begun and seen.frames and seen.frames[-1].revision == previews.revision)
            seen.frames.clear()
        player.want(replace(WISH, photo="b.jpg", preset="dramatic"))
        await seen.until(lambda: seen.frames)
        assert previews.begun == 3
        assert previews.ended == ["preview1", "preview2"]
        assert client.calls("change_preview") == [{"preset": "dramatic", "spec": WISH.spec}]
        player.want(None)
        async with asyncio.timeout(60):
            while len(previews.ended) < 3:
                await asyncio.sleep(0)


async def test_one_that_ended_begins_again() -> None:
    previews = FakePreviews()
    async with playing(previews) as (player, seen, _):
        player.want(WISH)
        await seen.until(lambda: seen.frames)
        previews.expire()
        await seen.until(lambda: len(seen.frames) == 2)
        assert previews.begun == 2


async def test_after_a_pause_it_goes_on_or_begins_again() -> None:
    previews = FakePreviews()
    client, seen = FakeClient(previews.answers), Seen()
    player = Player(client, frame=seen.frame, trouble=seen.trouble)  # type: ignore[arg-type]
    player.want(WISH)
    for count in (1, 2, 3):
        task = asyncio.create_task(player.run())
        await seen.until(lambda: len(seen.frames) >= count)  # noqa: B023
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if count == 2:
            previews.expire()
    assert previews.begun == 2


async def test_a_daemon_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    previews = FakePreviews()
    previews.refuse = ServerError("no daemon answers")
    async with playing(previews) as (player, seen, _):
        player.want(WISH)
        await seen.until(lambda: len(seen.troubles) >= 2)
        assert str(seen.troubles[0]) == "no daemon answers"
        previews.refuse = None
        await seen.until(lambda: seen.frames and seen.troubles[-1] is None)


async def test_a_wish_that_is_refused_waits_for_a_better_one() -> None:
    previews = FakePreviews()
    previews.refuse = UsageError("no such preset")
    async with playing(previews) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.troubles)
        previews.refuse = None
        player.want(replace(WISH, preset="dramatic"))
        await seen.until(lambda: seen.frames)
        assert len(client.calls("begin_preview")) == 2


async def test_a_refused_change_is_said_while_the_old_one_goes_on() -> None:
    previews = FakePreviews()
    async with playing(previews) as (player, seen, client):
        player.want(WISH)
        await seen.until(lambda: seen.frames)
        good = client.answers["change_preview"]
        client.answers["change_preview"] = UsageError("too much")
        player.want(replace(WISH, spec={}))
        await seen.until(lambda: str(seen.troubles[-1]) == "too much")
        previews.frame()
        await seen.until(lambda: len(seen.frames) == 2)
        assert str(seen.troubles[-1]) == "too much"
        client.answers["change_preview"] = good
        player.want(replace(WISH, spec={"camera": {"zoom": 3}}))
        await seen.until(lambda: len(seen.frames) == 3 and seen.troubles[-1] is None)
        assert previews.begun == 1


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": {"b": 1}}, {}, {"a": None}),
        ({"outputs": [{"fps": 1, "size": "hd"}]}, {"outputs": [{"fps": 2}]}, {"outputs": [{"fps": 2, "size": None}]}),
        ({"outputs": [{"fps": 1}]}, {"outputs": [{"fps": 1}]}, {}),
        ({"timeline": {"tracks": [1], "loop": True}}, {"timeline": {"tracks": [2]}},
         {"timeline": {"tracks": [2], "loop": None}}),
        ({"seed": 1}, {"seed": 1}, {}),
    ],
)  # fmt: skip
def test_differences_make_the_one_the_other(old: dict[str, Any], new: dict[str, Any], wanted: dict[str, Any]) -> None:
    from depthflow_daemon.previews import _laid

    assert difference(old, new) == wanted

    def without_empty(data: Any) -> Any:
        if isinstance(data, dict):
            return {key: without_empty(value) for key, value in data.items() if value != {}}
        return data

    assert without_empty(_laid(old, difference(old, new))) == without_empty(new)
