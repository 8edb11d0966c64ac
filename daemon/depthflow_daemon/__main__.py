"""`python -m depthflow_daemon` is `depthflowd`."""

from __future__ import annotations

from depthflow.cli.daemon import depthflowd

if __name__ == "__main__":
    depthflowd()
