"""The way out: asks what becomes of a daemon of ours that has work, ends it, and closes the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from depthflow.tui.screens.queue_sheets import Leave, Leaving

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp


async def leave(app: DepthFlowApp) -> None:
    """Quit, unless the answer is to stay."""
    link = app.link
    keep = False
    if link.private and not link.shared:
        running = link.jobs.counts["running"]
        paused = link.system is not None and link.system.paused
        # What is held back would not begin anyway.
        waiting = 0 if paused else sum(job.state in ("queued", "waiting") and not job.held for job in link.jobs)
        if running or waiting:
            answer = await app.push_screen_wait(Leave(running, waiting))
            if answer is None:
                return
            keep = answer == "keep"
    if link.private and not link.shared:
        if not keep:
            await app.push_screen(Leaving())
        await link.close(keep=keep)
    app.exit()  # the screens end what they have at the daemon, and the link is closed behind them
