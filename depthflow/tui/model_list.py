"""Depth networks as rows, of this machine or of a daemon elsewhere; fetches one when told to. It draws nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from depthflow.client.models import Model
from depthflow.errors import DepthFlowError
from depthflow.progress import CancelToken

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo

FREE = {"yes": ("yes", "good"), "no": ("no", "bad"), "unclear": ("unclear", "warn")}
"""What the licence says of commercial use -> word and class of its colour."""
SPEED_S = 3.0
"""The speed of a download is that of the last seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One network.

    Attributes:
        source: builtin, huggingface, export or local.
        facts: more to know, (name, value).
        get: the command that brings it here; empty if it is here.
    """

    name: str
    title: str
    source: str
    here: bool
    size_mb: float
    licence: str
    commercial: str
    note: str = ""
    quality: str = ""
    get: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def fetched_from_hub(self) -> bool:
        return self.source == "huggingface"

    @property
    def needs_consent(self) -> bool:
        return self.commercial == "no" and not self.here


def local_rows() -> tuple[list[Row], str]:
    """The networks of this machine, and the name of the default.

    Raises:
        DepthError, UsageError: a registry or the settings are wrong.
    """
    from depthflow.depth.registry import load_registry
    from depthflow.settings import load_settings

    return [local_row(info) for info in load_registry().values()], load_settings().settings.depth.model


def local_row(info: ModelInfo) -> Row:
    """One network of a registry."""
    here = info.available()
    facts: list[tuple[str, str]] = [("source", info.source)]
    if info.hub is not None:
        facts += [("repository", info.hub.repo), ("file", info.hub.file), ("revision", info.hub.revision or "newest")]
    if info.torch is not None:
        facts.append(("made from", info.torch.repo))
    if here:
        facts.append(("path", str(info.path())))
    if info.sha256:
        facts.append(("SHA-256", f"{info.sha256[:16]}…"))
    facts.append(("tried here", "yes" if info.verified else "not yet"))
    return Row(
        info.name,
        info.title,
        info.source,
        here,
        info.size_mb,
        info.licence,
        info.commercial_use,
        info.licence_note,
        info.quality,
        "" if here else info.pull_hint,
        tuple(facts),
    )


def remote_row(model: Model) -> Row:
    """One network of a daemon elsewhere, which tells less."""
    return Row(
        model.name,
        model.title,
        model.source,
        model.here,
        model.size_mb,
        model.licence,
        model.commercial_use,
        get=model.get,
        facts=(("source", model.source),),
    )


def hub_trouble() -> DepthFlowError | None:
    """Why nothing can be fetched; None if it can."""
    from depthflow.depth.hub import hub_library

    try:
        hub_library()
    except DepthFlowError as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download is: bytes, all bytes or None, bytes a second."""

    file: str
    done: int
    total: int | None
    rate: float

    @property
    def share(self) -> float | None:
        return self.done / self.total if self.total else None

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.total and self.rate > 0 else None


class Speed:
    """Bytes a second over the last seconds.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[float, int]] = []
        self._file = ""

    def at(self, file: str, done: int) -> float:
        """Note how much of a file is here; the speed."""
        now = self._clock()
        if file != self._file:
            self._file, self._seen = file, []
        self._seen = [seen for seen in self._seen if now - seen[0] <= SPEED_S] + [(now, done)]
        first = self._seen[0]
        return (done - first[1]) / (now - first[0]) if now > first[0] else 0.0


def fetch(name: str, tell: Callable[[Fetched], None], cancel: CancelToken) -> None:
    """Bring a network here, or go on with what was begun. Blocks; to be called in a thread.

    Raises:
        DepthFlowError: as `depthflow.depth.hub.pull`; Cancelled: what has come is kept.
    """
    from depthflow.depth.hub import pull
    from depthflow.depth.installed import write_pulled
    from depthflow.depth.registry import find_model

    info, speed = find_model(name), Speed()
    pulled = pull(
        info,
        report=lambda file, done, total: tell(Fetched(file, done, total, speed.at(file, done))),
        cancel=cancel,
    )
    write_pulled(info, pulled)


def remove(name: str) -> int:
    """Delete a network from the models folder; bytes that were freed. Raises as `depthflow.depth.installed.remove`."""
    from depthflow.depth.installed import remove as delete
    from depthflow.depth.registry import find_model

    return delete(find_model(name))


def choose(name: str) -> None:
    """Make a network the default. Raises as `depthflow.settings.set_value`."""
    from depthflow.settings import set_value

    set_value("depth.model", name)
