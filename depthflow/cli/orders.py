"""Photos on their way to the daemon and back: who reads them, who writes the results, and what is shown of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from depthflow.cli.following import fetch, follow, result_of
from depthflow.cli.job_options import Wanted
from depthflow.cli.server import show_table
from depthflow.cli.show import Errors, Json
from depthflow.cli.tasks import result_there
from depthflow.client import Client
from depthflow.client.models import Job, System
from depthflow.errors import DepthFlowError, OutputError
from depthflow.jobs.batch import Item
from depthflow.jobs.depth import is_local
from depthflow.jobs.pipeline import Result
from depthflow.jobs.spec import JobSpec
from depthflow.paths import expanded
from depthflow.progress import Report


@dataclass(frozen=True, slots=True)
class Order:
    """What the daemon is sent for one photo.

    Attributes:
        photo: as the user named it.
        spec: the job as the daemon is to have it: files named by whole paths.
        place: where the result will be on this computer; None if it stays with the daemon.
        fetched: this program puts it there, and not the daemon.
    """

    photo: str
    spec: JobSpec
    place: Path | None
    fetched: bool

    def there(self) -> Path | None:
        """The result, if it is there already and may stay."""
        output = self.spec.outputs[0]
        place = None if self.place is None else str(self.place)
        return result_there(self.spec.only(output.model_copy(update={"path": place})))


def complete(spec: JobSpec) -> JobSpec:
    """The spec as it means the same elsewhere: its motion written out, its files by whole paths."""
    from depthflow.depth.files import sidecar
    from depthflow.jobs.library import resolve

    spec = resolve(spec)
    depth, caption, watermark = spec.depth, spec.effects.caption, spec.effects.watermark
    beside = sidecar(spec.photo) if depth.file is None and is_local(spec.photo) else None
    model = _whole(depth.model) if depth.model.endswith(".onnx") else depth.model
    effects = spec.effects.model_copy(
        update={
            "caption": caption.model_copy(update={"font": _whole(caption.font)}),
            "watermark": watermark.model_copy(update={"file": _whole(watermark.file)}),
        }
    )
    depth = depth.model_copy(update={"file": _whole(depth.file or beside), "model": model})
    return spec.model_copy(update={"depth": depth, "audio": _whole(spec.audio), "effects": effects})


def inputs(spec: JobSpec) -> list[str]:
    """The files that a daemon is sent if it does not see them."""
    return [spec.photo, *(file for file in (spec.depth.file, spec.audio) if file is not None)]


def _whole(file: str | Path | None) -> str | None:
    return None if file is None else str(expanded(file).absolute())


def order_of(sender: Sender, wanted: Wanted, item: Item) -> Order:
    """Decide who writes the result: the daemon, if it may write where it is wanted, else this program."""
    spec = complete(wanted.job(item))
    output = spec.outputs[0]
    by_path = all(sender.sees(file) for file in inputs(spec))
    place = None if output.path is None else expanded(output.path).absolute()
    written_there = by_path and place is not None and sender.sees(str(place))
    path = str(place) if written_there else None
    spec = spec.with_(outputs=[output.model_copy(update={"path": path}), *spec.outputs[1:]])
    return Order(item.photo, spec, place if wanted.named or written_there else None, wanted.named and not written_there)


class Sender:
    """Submits orders to one daemon.

    Args:
        queue: priority, hold and window of all jobs.
    """

    def __init__(self, client: Client, system: System, queue: dict[str, Any]) -> None:
        self.client, self._system, self._queue = client, system, queue

    def sees(self, file: str) -> bool:
        """Whether the daemon has this file under the same path."""
        return file != "-" and "://" not in file and self.client.address.sees(Path(file), self._system.roots)

    def send(self, order: Order, report: Report | None = None) -> Job:
        """Queue one; its files are read from here on."""
        photo, name = self._content(order.photo)
        return self.client.submit(photo, name=name, spec=order.spec.to_dict(), roots=self._system.roots, **self._queue)

    def _content(self, photo: str) -> tuple[str | bytes, str]:
        """What is sent as the photo, and its name; standard input and addresses are read here."""
        if photo == "-":
            return sys.stdin.buffer.read(self._system.limits.upload_bytes + 1), "photo"
        if "://" in photo:
            from depthflow.fetch import fetch as download

            name = PurePosixPath(unquote(urlsplit(photo).path)).name or "photo"
            return download(photo, max_bytes=self._system.limits.upload_bytes), name
        return photo, "photo"


class Sent:
    """One order that was sent, or could not be; to be waited for when its turn comes.

    Args:
        batch: a result that is there already is passed over.
    """

    def __init__(self, sender: Sender, order: Order, *, batch: bool) -> None:
        self.order, self._client = order, sender.client
        self.job: Job | None = None
        self._there: Path | None = None
        self._error: DepthFlowError | None = None
        try:
            there = order.there() if batch or order.fetched else None
            if there is not None and not batch:
                raise OutputError(f"{there}: is there already", "--overwrite replaces it")
            self._there = there
            if there is None:
                self.job = sender.send(order)
        except DepthFlowError as error:
            self._error = error

    def there(self) -> Path | None:
        """The result that was there before."""
        return self._there

    def finish(self, report: Report) -> Result:
        """Wait for the job, and save its results if they are wanted here."""
        if self.job is None:
            assert self._error is not None  # noqa: S101 - sent, passed over or failed
            raise self._error
        detail = follow(self._client, self.job, report)
        files = None
        if self.order.fetched and self.order.place is not None:
            files = fetch(self._client, detail, self.order.place, overwrite=self.order.spec.outputs[0].overwrite)
        return result_of(detail, files)


class Queued(Errors):
    """The jobs that were queued, as a table at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._jobs: list[Job] = []

    def finished(self, photo: str, result: Job) -> None:
        self._jobs.append(result)

    def close(self) -> None:
        if self._jobs and not self._quiet:
            show_table(self._jobs, nothing="")


class QueuedJson(Json):
    """A line for each job that was queued."""

    def begin(self, photo: str, number: int, total: int) -> None:
        self._photo = photo

    def finished(self, photo: str, result: Job) -> None:
        self.tell("queued", job=result.model_dump(mode="json"))
