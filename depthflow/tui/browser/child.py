"""The app as a child of the server: packets on standard input and output in place of a terminal, until they end.

python -m depthflow.tui.browser.child [ADDRESS OF THE DAEMON]
"""

from __future__ import annotations

import sys

from textual import messages
from textual.drivers.web_driver import WebDriver

from depthflow.tui.browser.session import SHOW


class BrowserDriver(WebDriver):
    """Textual's own, but the app ends when nobody can reach it any more, however the server ended.

    The page may be loaded anew: then the terminal is another one, to which everything is to be said again.
    """

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.post_message(messages.ExitApp())

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        if packet_type == SHOW:
            self._app.call_later(self._show)  # packets that two threads write would run into each other
        else:
            super().on_meta(packet_type, payload)

    def _show(self) -> None:
        """Say to a new terminal what `start_application_mode` said to the first one, and draw everything."""
        self.write("\x1b[?1049h\x1b[?25l")  # the screen of programs, without a cursor
        self._enable_mouse_support()
        self._request_terminal_sync_mode_support()
        self._enable_bracketed_paste()
        self._app.screen.refresh()


def main() -> None:
    from depthflow.tui.app import DepthFlowApp

    DepthFlowApp(*sys.argv[1:2]).run()


if __name__ == "__main__":
    main()
