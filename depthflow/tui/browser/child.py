"""The app as a child of the server: packets on standard input and output in place of a terminal, until they end.

python -m depthflow.tui.browser.child [ADDRESS OF THE DAEMON]
"""

from __future__ import annotations

import sys

from textual import messages
from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Textual's own, but the app ends when nobody can reach it any more, however the server ended."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.post_message(messages.ExitApp())


def main() -> None:
    from depthflow.tui.app import DepthFlowApp

    DepthFlowApp(*sys.argv[1:2]).run()


if __name__ == "__main__":
    main()
