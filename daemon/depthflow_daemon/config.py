"""What `depthflowd` is told by its settings file: read, checked and complete. It starts nothing and opens no store."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from depthflow import paths
from depthflow.errors import UsageError
from depthflow.jobs.described import add_descriptions
from depthflow.jobs.part import Part
from depthflow.jobs.problems import first_problem, refuse_other_types
from depthflow.settings_file import read_table
from depthflow_daemon.rules import WatchFolder

FILE_NAME = "depthflowd.toml"
HookEvent = Literal["before-job", "after-job", "folder-drained"]

_MEMORY = re.compile(r"auto|none|\d+(\.\d+)? ?([kMGT]i?B)?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def _is_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise UsageError("no name", "up to 64 letters, digits and _ . - (it stands in addresses)")
    return value


def _is_memory(value: str) -> str:
    if not _MEMORY.fullmatch(value):
        raise UsageError("no amount of memory", "write auto, none, or such as 4GB")
    return value


def _is_workers(value: Any) -> Any:
    # Here, since of a choice between two kinds pydantic tells the trouble with the first one.
    if value != "auto" and not (isinstance(value, int) and 1 <= value <= 256):
        raise UsageError("no number of workers", "write auto, or 1 to 256")
    return value


def _is_list(value: Any, how: str) -> Any:
    if not isinstance(value, list | tuple):
        raise UsageError("a list is expected", f"write {how}")
    return value


def _has_program(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0]:
        raise UsageError("the program has no name", "the first text is the program's path")
    return value


Argv = Annotated[
    tuple[Annotated[str, Field(max_length=4096)], ...],
    AfterValidator(_has_program),
    BeforeValidator(lambda value: _is_list(value, 'program and arguments as ["/path/to/program", "argument"]')),
]
Name = Annotated[str, AfterValidator(_is_name)]
Workers = Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=256)], BeforeValidator(_is_workers)]


def _placed(value: Any, info: ValidationInfo) -> Any:
    """A path of the file: `~` is the user's home, and what is relative lies beside the settings file."""
    if isinstance(value, str):
        base = Path((info.context or {}).get("base", "."))
        # Tidied as text: `..` behind a link means what is written.
        return Path(os.path.normpath(base / paths.expanded(value)))
    return value


Placed = Annotated[Path, BeforeValidator(_placed)]


class FolderSettings(Part):
    """One watched folder."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, json_schema_extra=add_descriptions, populate_by_name=True
    )

    name: Name
    """What the folder is called in lists and in the API."""
    input: Annotated[Placed, Field(alias="in")]
    """Where photos are dropped, sub-folders too."""
    output: Annotated[Placed, Field(alias="out")]
    """Where results go, in the same sub-folders."""
    archive: Placed | None = None
    """Where photos go after a rule after = "archive"; out/archive if left out."""
    preset: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Preset for all photos; rules in the folder change it."""
    paused: bool = False
    """Photos are seen and not taken until the folder is resumed."""

    @property
    def place(self) -> WatchFolder:
        """Raises UsageError: results would lie among the photos."""
        return WatchFolder(self.input, self.output, self.archive or self.output / "archive", self.preset)


FolderList = Annotated[
    tuple[FolderSettings, ...], BeforeValidator(lambda value: _is_list(value, "each as [[folders]]"))
]


class EngineSettings(Part):
    """Where jobs are made."""

    workers: Workers = "auto"
    """Worker processes on this machine: videos, or parts of one, made at once; auto is one a GPU, at least one."""
    address: Annotated[str, Field(max_length=200, pattern=r"^(|[a-z]+://.+)$")] = ""
    """A Dask scheduler that is there already, such as tcp://10.0.0.5:8786; empty starts workers on this machine."""
    tls_ca: Placed | None = None
    """Certificate of whoever signed the scheduler's and the workers', PEM; for an address that begins with tls://."""
    tls_cert: Placed | None = None
    """The daemon's own certificate, PEM."""
    tls_key: Placed | None = None
    """The key of that certificate, PEM."""
    memory_limit: Annotated[str, AfterValidator(_is_memory)] = "auto"
    """Of one worker: auto, none, or such as 4GB. A worker above it is ended, and its job tried again."""
    idle_seconds: Annotated[float, Field(ge=1, le=86400)] = 120.0
    """Workers without work end after this, and give their memory back."""
    segment_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """Longer videos are cut into pieces of about this length that are made at once; 0 cuts none."""

    @model_validator(mode="after")
    def _certificates_belong_together(self) -> Self:
        given = [value is not None for value in (self.tls_ca, self.tls_cert, self.tls_key)]
        if any(given) != all(given):
            raise UsageError("tls_ca, tls_cert and tls_key belong together", "give all three or none")
        if self.address.startswith("tls://") and not all(given):
            raise UsageError("a tls:// address needs tls_ca, tls_cert and tls_key", "see docs/farm.md")
        return self


class LimitSettings(Part):
    """What a request may ask for."""

    upload_bytes: Annotated[int, Field(ge=1024)] = 1 << 30
    """A larger request is refused."""
    pixels: Annotated[int, Field(ge=1)] = 250_000_000
    """A larger photo is refused before it is decoded."""
    frames: Annotated[int, Field(ge=1)] = 200_000
    """Frames that all outputs of one job may have together."""
    requests_per_second: Annotated[float, Field(gt=0, le=100_000)] = 500.0
    """Of one client in the long run, twice as many at once; more are answered 429."""
    previews: Annotated[int, Field(ge=0, le=64)] = 2
    """Live previews at once."""


class ApiSettings(Part):
    """How programs talk to the daemon."""

    socket: Annotated[str, Field(max_length=100)] = "auto"
    """A Unix socket that only the user can open: a path, auto (in the user's runtime folder), or none."""
    listen: Annotated[str, Field(max_length=200)] = ""
    """HOST:PORT for TCP too, such as 127.0.0.1:8380; empty opens none. It needs a token."""
    token_file: Placed | None = None
    """Holds the token that TCP clients must send; DEPTHFLOW_TOKEN stands for it where a file is unhandy."""
    roots: tuple[Placed, ...] = ()
    """Folders whose photos may be named by path in a request; watched folders besides."""
    limits: LimitSettings = LimitSettings()

    @field_validator("socket", mode="before")
    @classmethod
    def _socket_in_place(cls, value: Any, info: ValidationInfo) -> Any:
        return value if value in ("auto", "none") else str(_placed(value, info))

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value:
            host_and_port(value)
        return value


class LogSettings(Part):
    """What is told, and where."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    """One line an event either way."""
    file: Placed | None = None
    """Written instead of standard error."""
    max_bytes: Annotated[int, Field(ge=0, le=10**12)] = 10_000_000
    """The file is put aside when it is larger, and a new one begun; 0 lets it grow."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """Files put aside that are kept."""


class WebhookSettings(Part):
    """One address that is told of events."""

    url: Annotated[str, Field(max_length=2000)]
    """http or https; gets the event as JSON by POST."""
    events: Annotated[tuple[HookEvent, ...], Field(min_length=1)] = ("after-job", "folder-drained")
    """Which."""
    secret_file: Placed | None = None
    """Its first line signs each request: header X-DepthFlow-Signature, HMAC-SHA256 of time stamp and body."""
    secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The same from an environment variable."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """A request that takes longer has failed."""
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    """Further attempts after 1, 2, 4 and so on seconds, up to a minute."""

    @field_validator("url")
    @classmethod
    def _is_web(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("no web address", "write it as https://example.org/hook")
        return value


class HookSettings(Part):
    """Programs and addresses that are told of events. None of them can hold up the queue."""

    before_job: Argv = ()
    """Program and arguments, started without a shell when a job begins; what it is about stands in DEPTHFLOW_*."""
    after_job: Argv = ()
    """The same when a job has ended: done, failed or cancelled."""
    folder_drained: Argv = ()
    """The same when the last job of a watched folder has ended."""
    seconds: Annotated[float, Field(gt=0, le=86400)] = 30.0
    """A program that runs longer is ended, with all that it started."""
    webhooks: tuple[WebhookSettings, ...] = ()


class RetentionSettings(Part):
    """What is forgotten; results and photos are never touched."""

    days: Annotated[float, Field(ge=0)] = 90.0
    """Jobs that ended longer ago are forgotten; 0 keeps all."""
    jobs: Annotated[int, Field(ge=0)] = 100_000
    """At most so many ended jobs are kept."""
    events: Annotated[int, Field(ge=0)] = 500_000
    """At most so many lines of the jobs' history are kept."""


class DaemonSettings(Part):
    """All of a settings file."""

    store: Placed | None = None
    """File of the queue, on a local disk; by default depthflowd.db in the user's state folder."""
    drain_seconds: Annotated[float, Field(ge=0, le=86400)] = 60.0
    """How long running jobs may go on after the signal to end; then they are given back to the queue."""
    folders: FolderList = ()
    engine: EngineSettings = EngineSettings()
    api: ApiSettings = ApiSettings()
    logs: LogSettings = LogSettings()
    hooks: HookSettings = HookSettings()
    retention: RetentionSettings = RetentionSettings()

    @model_validator(mode="after")
    def _folders_fit(self) -> DaemonSettings:
        """Each name once, and no folder within another."""
        roots: dict[Path, str] = {}
        for folder in self.folders:
            if folder.name in [other.name for other in self.folders if other is not folder]:
                raise UsageError(f"folders: two of them are called {folder.name!r}", "give each a name of its own")
            place = folder.input.resolve()
            for root, name in roots.items():
                if place.is_relative_to(root) or root.is_relative_to(place):
                    raise UsageError(
                        f"folders: {folder.name!r} and {name!r} watch the same photos ({place}, {root})",
                        "a folder is watched with all that is below it: leave one of them out",
                    )
            roots[place] = folder.name
        return self

    @property
    def store_file(self) -> Path:
        return self.store or paths.state_dir() / "depthflowd.db"

    @property
    def work(self) -> Path:
        """Where uploads lie and what is made of them: beside the queue."""
        return self.store_file.with_name(f"{self.store_file.stem}-files")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the file they are from, which need not exist if nobody named it."""

    settings: DaemonSettings
    file: Path


def settings_file() -> Path:
    """The file that is read if none is named: depthflowd.toml beside the user's depthflow.toml."""
    return paths.config_dir() / FILE_NAME


def sample() -> Path:
    """A file with every key, its default and what it means."""
    return paths.data("config", FILE_NAME)


def load(file: Path | None = None) -> Loaded:
    """Read and check a settings file to its end: presets are there, folders do not overlap.

    Args:
        file: None takes the user's own, which need not exist.

    Raises:
        UsageError: names the file, the key, what is allowed and the nearest known key.
    """
    place = paths.expanded(file or settings_file())
    if file is not None and not place.is_file():
        raise UsageError(f"{place}: there is no such file", "depthflow daemon config > FILE writes a commented sample")
    return Loaded(parse(read_table(place), place), place)


def parse(table: Mapping[str, Any], file: Path) -> DaemonSettings:
    """Raises UsageError: as in `load`."""
    refuse_other_types(dict(table), DaemonSettings, str(file))
    try:
        settings = DaemonSettings.model_validate(table, context={"base": file.absolute().parent})
    except ValidationError as error:
        raise UsageError(*first_problem(error, DaemonSettings, str(file))) from None
    for number, folder in enumerate(settings.folders):
        _check_folder(folder, f"{file}: folders.{number}")
    return settings


def _check_folder(folder: FolderSettings, where: str) -> None:
    from depthflow.jobs.library import load_preset

    try:
        _ = folder.place
        if folder.preset is not None:
            load_preset(folder.preset)
    except UsageError as error:
        raise UsageError(f"{where} ({folder.name}): {error.message}", error.hint) from None


def json_schema() -> dict[str, Any]:
    """The JSON schema of a settings file, for editors."""
    schema = DaemonSettings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Settings of depthflowd"
    return schema


def host_and_port(text: str) -> tuple[str, int]:
    """Of "HOST:PORT"; an IPv6 address stands in brackets.

    Raises:
        UsageError: it is something else.
    """
    found = re.fullmatch(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})", text)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(f"{text!r} is no HOST:PORT", "write it as 127.0.0.1:8380 or [::1]:8380")
    return found["v6"] or found["host"], int(found["port"])
