"""The contract of the daemon's API, version 1: what requests and answers hold. It sends, receives and decides nothing.

Requests refuse keys that they do not know; answers may get more keys within version 1, and clients pass over them.
Times are UTC. Sizes are bytes, spans are seconds, priorities go from -100 to 100 and higher goes first.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

API_VERSION = "v1"

JobState = Literal["queued", "waiting", "running", "done", "failed", "cancelled", "skipped"]
FINAL_STATES: frozenset[JobState] = frozenset(("done", "failed", "cancelled", "skipped"))
"""A job that is in one of these changes no more, unless it is tried again."""
JobSort = Literal["newest", "oldest"]

Priority = Annotated[int, Field(ge=-100, le=100)]
Window = Annotated[str, Field(max_length=200)]


class Answer(BaseModel):
    """What the daemon sends."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Request(BaseModel):
    """What the daemon is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


# -- jobs ----------------------------------------------------------------------------------------------------------


class Submit(Request):
    """A job to queue: the daemon's settings, then the preset, then the parts of `spec`, each on top of the one before.

    As JSON, `photo` is a path. As multipart/form-data this is the part `job`, and the photo is the file `photo`, with
    `depth` and `audio` as further files where there are some.
    """

    spec: dict[str, Any] = {}
    """A JobSpec, or parts of one (docs/jobspec.schema.json); what it leaves out has its default."""
    photo: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Path on the daemon's machine, below one of its roots; the same as `spec.photo`."""
    preset: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """A name of the library."""
    priority: Priority = 0
    hold: bool = False
    """Queue it, but let it not begin until it is released."""
    window: Window = ""
    """Times of day at which it may begin, such as "22:00-06:00"; empty for always."""


class Change(Request):
    """What to change of a job that has not ended; None leaves it as it is."""

    priority: Priority | None = None
    hold: bool | None = None


class Progress(Answer):
    """How far a running job is."""

    stage: str
    """load, depth, prepare, render, publish; more may come."""
    done: Annotated[int, Field(ge=0)] = 0
    """Finished units of this stage, frames while rendering."""
    total: Annotated[int, Field(ge=0)] | None = None
    """Units of this stage; None where it cannot be known."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Since the stage began."""
    rate: Annotated[float, Field(ge=0)] = 0.0
    """Units a second so far."""
    note: str = ""
    """A few words for people."""
    warning: bool = False
    """The note tells of something that is not as asked for."""


class Job(Answer):
    """One row of the queue."""

    id: Annotated[int, Field(ge=1)]
    state: JobState
    source: str
    """The photo, as a path or a name for people."""
    folder: str | None = None
    """Name of the watched folder that it came from; None if it was submitted."""
    preset: str | None = None
    motion: str | None = None
    """Name of the motion."""
    priority: Priority = 0
    held: bool = False
    window: str = ""
    attempt: Annotated[int, Field(ge=0)] = 0
    """How often it was begun."""
    stopping: bool = False
    """It was cancelled while running, and its worker has not stopped yet."""
    worker: str | None = None
    same_as: int | None = None
    """The job that did this one's work already, if this one was skipped."""
    error: str | None = None
    """Why it failed, or waits."""
    added_at: AwareDatetime
    changed_at: AwareDatetime
    progress: Progress | None = None
    """The latest word of a running job."""

    @property
    def ended(self) -> bool:
        return self.state in FINAL_STATES


class Output(Answer):
    """One file of a job."""

    number: Annotated[int, Field(ge=1)]
    """Its place in the address of its download."""
    path: str
    made: bool
    """The job has made it; it may have been removed since."""
    facts: dict[str, Any] = {}
    """Read from the finished file: format, frames, width, height, fps, bytes, encoder, seconds."""


class Attempt(Answer):
    """One try at a job."""

    attempt: Annotated[int, Field(ge=1)]
    worker: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    outcome: str | None = None
    """done, transient, permanent, crash, orphaned, released; None while it runs."""
    error: str | None = None
    timings: dict[str, float] = {}
    """Seconds per stage."""


class LogLine(Answer):
    """One line of the daemon's log of jobs."""

    id: Annotated[int, Field(ge=1)]
    """Rises; never comes twice."""
    at: AwareDatetime
    job: int | None = None
    kind: str
    """added, queued, skipped, started, done, waiting, failed, stopping, cancelled, held, released, priority, ..."""
    data: dict[str, Any] = {}


class JobDetail(Job):
    """All that is known of a job."""

    spec: dict[str, Any]
    outputs: list[Output] = []
    attempts: list[Attempt] = []
    log: list[LogLine] = []
    """The last hundred lines, oldest first."""


class JobPage(Answer):
    """Some jobs, and how to ask for the next ones."""

    items: list[Job]
    next_cursor: str | None = None
    """To be sent as `cursor`; None at the end."""


# -- events --------------------------------------------------------------------------------------------------------


class StateEvent(Answer):
    """Something happened to a job. None is ever left out; `id` is its line in the log."""

    kind: Literal["state"] = "state"
    id: Annotated[int, Field(ge=1)]
    at: AwareDatetime
    what: str
    """The kind of the log line: added, started, done, failed, cancelled, ..."""
    job: Job
    """As it is when the event is sent, which may be later than the event."""


class ProgressEvent(Answer):
    """A running job moved on. A slow reader gets the latest one only."""

    kind: Literal["progress"] = "progress"
    job: Annotated[int, Field(ge=1)]
    progress: Progress


class QueueEvent(Answer):
    """Something happened to the queue as a whole: paused, resumed."""

    kind: Literal["queue"] = "queue"
    id: Annotated[int, Field(ge=1)]
    at: AwareDatetime
    what: str


Event = Annotated[StateEvent | ProgressEvent | QueueEvent, Field(discriminator="kind")]
"""One server-sent event: its `event:` is the kind, its `data:` this as JSON, its `id:` the line in the log.

Progress events have no id, so that `Last-Event-ID` names the last state that was seen.
"""

EVENT: TypeAdapter[StateEvent | ProgressEvent | QueueEvent] = TypeAdapter(Event)
"""Reads and writes an event: `EVENT.validate_json(data)`."""


# -- what else the daemon knows ------------------------------------------------------------------------------------


class Folder(Answer):
    """A watched folder."""

    name: str
    root: str
    output: str
    archive: str
    preset: str | None = None
    paused: bool = False
    pending: Annotated[int, Field(ge=0)] = 0
    """Photos that are not whole yet, or wait for the folder to be resumed."""
    there: bool = True
    """It can be found."""
    polling: bool = False
    """It is looked through at intervals, because the system tells nothing of it."""
    jobs: dict[JobState, int] = {}
    """How many of its jobs are in each state."""


class Waiting(Answer):
    """A photo that was seen and is not queued yet."""

    path: str
    """Relative to the folder, with slashes."""
    since: AwareDatetime
    """Its last change, or when it was seen."""
    kind: str
    """writing, sentinel, unreadable, rules, paused, taken; more may come."""
    why: str
    """For people."""


class WaitingPhotos(Answer):
    """Photos of a watched folder that are waited for."""

    items: list[Waiting]
    """By path; at most as many as were asked for."""
    total: Annotated[int, Field(ge=0)]
    """How many there are."""


class FolderLine(LogLine):
    """A line of the log of jobs that is about a watched folder."""

    source: str = ""
    """The job's photo, relative to the folder; empty if it is about the folder itself."""


class Preset(Answer):
    """A preset of the library."""

    name: str
    description: str
    source: Literal["user", "builtin"]


class PresetDetail(Preset):
    """A preset with what it says."""

    parts: dict[str, Any]
    """Parts of a JobSpec; `output` is its first output."""


class Model(Answer):
    """A depth network of the registry."""

    name: str
    title: str = ""
    source: str
    here: bool
    """It is on the daemon's machine."""
    size_mb: float = 0.0
    licence: str = ""
    commercial_use: Literal["yes", "no", "unclear"] = "unclear"
    get: str = ""
    """The command that fetches it, if it is not here."""


class Worker(Answer):
    """A process that makes jobs."""

    name: str
    kind: str = "render"
    pid: int | None = None
    state: str
    """idle, busy, starting, ..."""
    job: int | None = None
    memory_bytes: Annotated[int, Field(ge=0)] | None = None


class Limits(Answer):
    """What the daemon accepts."""

    upload_bytes: int
    """Of a whole request with files."""
    pixels: int
    """Of a photo, before it is decoded."""
    frames: int
    """Of all outputs of a job together."""
    requests_per_second: float
    """Of one client; more are answered with 429."""


class System(Answer):
    """The daemon and its machine."""

    version: str
    api: str = API_VERSION
    pid: int
    started_at: AwareDatetime
    uptime_seconds: Annotated[float, Field(ge=0)]
    paused: bool
    """No job begins until the queue is resumed."""
    draining: bool = False
    """No job begins any more; the daemon ends when the running ones have."""
    jobs: dict[JobState, int]
    workers: list[Worker] = []
    engine: dict[str, Any] = {}
    renderer: str | None = None
    """What OpenGL calls itself in the worker that drew last; None before one has drawn."""
    disk_free_bytes: Annotated[int, Field(ge=0)] | None = None
    """Where the daemon keeps uploads and their results."""
    encoders: list[str] = []
    """Those that really encode on the daemon's machine, as far as they were tried; see the parameter `encoders`."""
    roots: list[str] = []
    """Folders below which submitted paths must lie."""
    last_event: Annotated[int, Field(ge=0)] = 0
    """The newest line of the log: whoever reads all jobs after this, and the events behind it, misses nothing."""
    listeners: Annotated[int, Field(ge=0)] = 0
    """Streams of events that are open."""
    limits: Limits


class Health(Answer):
    """The daemon answers."""

    status: Literal["ok", "failing"]
    version: str
    detail: str = ""


# -- live preview --------------------------------------------------------------------------------------------------

PreviewSide = Annotated[int, Field(ge=8, le=1024)]
PreviewRate = Annotated[float, Field(gt=0, le=60)]
PreviewShow = Literal["result", "depth"]


class PreviewRequest(Request):
    """A clip to show while it is being tuned; photo, preset and spec as in `Submit`."""

    spec: dict[str, Any] = {}
    photo: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    preset: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    width: PreviewSide = 320
    height: PreviewSide = 180
    """Pixels of a frame."""
    rate: PreviewRate = 15.0
    """Frames a second at most."""
    show: PreviewShow = "result"
    """The clip, or its depth as the camera sees it: white is near, and there are no effects."""


class PreviewChange(Request):
    """What to change of a running preview; None leaves it as it is."""

    spec: dict[str, Any] | None = None
    """Parts of a JobSpec, laid over what is shown; a part's keys that are not named stay."""
    preset: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Begin anew from this preset, with `spec` on top."""
    width: PreviewSide | None = None
    height: PreviewSide | None = None
    rate: PreviewRate | None = None
    show: PreviewShow | None = None
    paused: bool | None = None
    """Stand still at the frame that is shown; false goes on from there."""
    at: Annotated[float, Field(ge=0, le=1)] | None = None
    """Go to this part of the clip, 0 its first frame and 1 its last, and stand still there unless `paused` is false."""


class Preview(Answer):
    """A running preview."""

    id: str
    width: int
    height: int
    rate: float
    show: PreviewShow = "result"
    revision: Annotated[int, Field(ge=0)]
    """Counts the changes; a frame carries the revision that it shows."""
    spec: dict[str, Any]
    expires_seconds: float
    """Until it is ended, if nobody reads its stream."""


# -- errors --------------------------------------------------------------------------------------------------------


class Problem(Answer):
    """Why a request was refused: RFC 9457, sent as application/problem+json."""

    type: str = "about:blank"
    title: str
    """The kind of problem, in a few words; the same for each of its kind."""
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    """What is wrong with this request, with the key, the allowed range and the nearest name."""
    hint: str = ""
    """The way out."""
    instance: str = ""
    """The path that was asked for."""
    exit_code: int = 1
    """What the command line ends with for such an error; see `depthflow.errors`."""
