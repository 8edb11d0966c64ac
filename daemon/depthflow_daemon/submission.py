"""From a client's request to a job in the store: what is asked for is checked to its end before it is accepted.

Clients name files below the daemon's roots, or send them. Whatever a JobSpec can name is confined: photo, depth map,
sound, watermark, font, network, results. Motions and presets are names of the library; addresses are not fetched.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthflow.client.models import Submit
from depthflow.errors import DepthFlowError, InputError, OutputError, UnknownNameError, UsageError
from depthflow.images import Limits as PhotoLimits
from depthflow.images import name_of
from depthflow.jobs import library
from depthflow.jobs.library import Preset, apply_preset, load_preset, resolve
from depthflow.jobs.planning import ending, format_of, output_path, plan_outputs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.settings import job_base, load_settings
from depthflow_daemon.confinement import SOURCE, check_file, confined, files_of
from depthflow_daemon.identity import digest_of, key_of
from depthflow_daemon.records import Job
from depthflow_daemon.uploads import Upload

if TYPE_CHECKING:
    from depthflow_daemon.core import Core

_LAID = ("depth", "motion", "camera", "layers", "render", "effects")
"""Parts of a JobSpec that are laid over what was there, key by key; the others take its place."""

# Where results go must be decided and noted before the next request is looked at.
_guard = threading.Lock()


class RequestReusedError(UsageError):
    """Another request had this name."""


class OutputTakenError(OutputError):
    """Another job is to write there."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that may be queued.

    Attributes:
        spec: every path in it absolute, every output with its path.
        identity: the canonical spec without the files' places.
        files: whatever else than the photo decides what comes out.
        content: SHA-256 of the photo, hex.
        name: the photo's, for people.
        sent: the photo was received, and lies where no result may lie.
    """

    spec: JobSpec
    identity: str
    files: tuple[Path, ...]
    content: str
    name: str
    sent: bool


def submit(
    core: Core, asked: Submit, uploads: Mapping[str, Upload] | None = None, *, request: str | None = None
) -> tuple[Job, bool]:
    """Queue a job.

    Args:
        uploads: what was sent, by what it is: photo, depth, audio.
        request: the client's name for its request; one that comes again gets the job that the first one made.

    Returns:
        The job, and whether it is new.

    Raises:
        UsageError, InputError, OutputError, SystemError_: as the command line has them for the same job.
        RequestReusedError: a request of that name asked for something else.
    """
    uploads = uploads or {}
    digest = _request_digest(asked, uploads)
    if request is not None and (known := _known(core, request, digest)) is not None:
        return known, False
    with _named_as_sent(uploads):
        prepared = prepare(core, asked, uploads)
        digests = {str(file): _digest(file) for file in prepared.files}
        key = key_of(prepared.content, digests, prepared.identity, prepared.spec.depth.model)
    with _guard:
        if request is not None and (known := _known(core, request, digest)) is not None:
            return known, False
        with _named_as_sent(uploads):
            spec, outputs = _placed(core, prepared, key)
        note: dict[str, Any] = {
            "content": prepared.content,
            "digests": digests,
            "name": prepared.name,
            "origin": "api",
            "preset": spec.preset,
            "motion": spec.motion.name,
        }
        if uploads:
            note["files"] = sorted(str(upload.path) for upload in uploads.values())
        job = core.store.add(
            key,
            spec.to_json(),
            source=spec.photo,
            outputs=outputs,
            priority=asked.priority,
            held=asked.hold,
            window=asked.window,
            note=json.dumps({name: value for name, value in note.items() if value is not None}),
            request=None if request is None else (request, digest),
        )
    core.hub.changed()
    core.engine.wake()
    return job, True


def checked(core: Core, asked: Submit, uploads: Mapping[str, Upload]) -> tuple[JobSpec, str]:
    """What is asked for as a JobSpec, its paths confined, its motion written out; and the photo's name, for people.

    Raises:
        UsageError, InputError: see `submit`.
    """
    data = merged(asked)
    name = _photo_name(data, uploads)
    for part, upload in uploads.items():
        if part == "depth" and isinstance(depth := data.get("depth", {}), dict):
            data["depth"] = {**depth, "file": str(upload.path)}
        elif part != "depth":
            data[part] = str(upload.path)
    spec = JobSpec.parse(data, source=SOURCE)
    spec = resolve(confined(core, spec, {str(upload.path) for upload in uploads.values()}))
    photo = Path(spec.photo)
    check_file(photo, "photo", name)
    core.examiner.check_header(photo, limits=_photo_limits(core), label=name)
    for what, file in files_of(spec):
        check_file(file, what, str(file))
    return spec, name


def prepared_spec(core: Core, asked: Submit, uploads: Mapping[str, Upload]) -> dict[str, Any]:
    """What is asked for as plain data, for a preview.

    Raises:
        UsageError, InputError: see `submit`.
    """
    with _named_as_sent(uploads):
        spec, _ = checked(core, asked, uploads)
    return spec.to_dict()


def prepare(core: Core, asked: Submit, uploads: Mapping[str, Upload]) -> Prepared:
    """Everything that can be said about a job without deciding where its results go.

    Raises:
        UsageError, InputError: see `submit`.
    """
    spec, name = checked(core, asked, uploads)
    frames = sum(len(output.shown) for output in spec.outputs)
    if frames > core.limits.frames:
        raise UsageError(
            f"{SOURCE}: outputs: {frames} frames together, and the limit is {core.limits.frames}",
            "fewer frames a second, a shorter duration, or several jobs",
        )
    sent = "photo" in uploads
    if not sent:
        # Beside the photo, which makes it another job than for a copy of the photo elsewhere.
        spec = spec.model_copy(update={"outputs": tuple(_beside(spec, output) for output in spec.outputs)})
    files = tuple(file for _, file in files_of(spec))
    return Prepared(spec, _identity(spec), files, _digest(Path(spec.photo)), name, sent)


# -- what is asked for ---------------------------------------------------------------------------------------------


def merged(asked: Submit) -> dict[str, Any]:
    """A JobSpec as plain data: the user's settings, the preset, and the request's parts on top."""
    data: dict[str, Any] = {"photo": "-", **job_base(load_settings().settings)}
    if asked.preset is not None:
        if asked.preset not in (known := library.names("presets")):
            raise UnknownNameError("preset", asked.preset, known)
        data = apply_preset(data, load_preset(asked.preset))
    data = laid(data, asked.spec)
    if asked.photo is not None:
        if asked.spec.get("photo", asked.photo) != asked.photo:
            raise UsageError(f"{SOURCE}: photo: spec.photo names another one", "name it once")
        data["photo"] = asked.photo
    return data


def laid(below: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Job data with the parts of a JobSpec on top; what is no part, or none of its kind, is left for `parse` to say."""
    data = dict(below)
    common = data["outputs"][0]
    for part, value in parts.items():
        if part == "outputs" and isinstance(value, list) and all(isinstance(own, dict) for own in value):
            data[part] = [{**common, **own} for own in value]
        elif isinstance(value, dict) and part in _LAID:
            named = data.get("preset")
            data = apply_preset(data, Preset("", "", {part: value}, Path()))
            data["preset"] = named
        else:
            data[part] = value
    return {key: value for key, value in data.items() if value is not None}


def _photo_name(data: dict[str, Any], uploads: Mapping[str, Upload]) -> str:
    if "photo" in uploads:
        return uploads["photo"].name
    photo = data["photo"]
    if photo == "-" or not isinstance(photo, str):
        raise UsageError(
            f"{SOURCE}: photo: none is given", "send it as the part `photo`, or name a path below one of the roots"
        )
    if "://" in photo:
        raise UsageError(f"{SOURCE}: photo: addresses are not fetched by the daemon", "send the photo itself")
    return photo


# -- where results go ----------------------------------------------------------------------------------------------


def _placed(core: Core, prepared: Prepared, key: str) -> tuple[JobSpec, list[str]]:
    """The spec with the path of each output, and the files that will be made.

    Raises:
        UsageError, InputError, OutputError: what the command line says of outputs.
        OutputTakenError: another job is to write there.
    """
    spec = prepared.spec
    own = core.places.work / "results" / key[:32]
    if prepared.sent and any(output.path is None for output in spec.outputs):
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        outputs = tuple(_in_folder(own, output, prepared.name) for output in spec.outputs)
        spec = spec.model_copy(update={"outputs": outputs})
    # From here on the names belong to the job: when it is tried again, what it left there is in nobody's way.
    ours = spec.model_copy(
        update={"outputs": tuple(output.model_copy(update={"overwrite": True}) for output in spec.outputs)}
    )
    standing = core.store.standing(key)
    if standing is not None and standing.state in ("queued", "waiting", "running", "done"):
        # It is skipped, or its files are gone and it makes them again.
        return ours, [output.path for output in core.store.outputs(standing.id)]
    paths = [str(path) for plan in plan_outputs(spec) for path in plan.paths]
    for path in paths:
        if core.store.is_claimed(path, key):
            raise OutputTakenError(
                f"{path}: another job is to write this file", "choose another path, or wait for that job"
            )
    return ours, paths


def _beside(spec: JobSpec, output: OutputSpec) -> OutputSpec:
    if output.path is not None:
        return output
    return output.model_copy(update={"path": str(output_path(spec.photo, output, format_of(output)))})


def _in_folder(folder: Path, output: OutputSpec, name: str) -> OutputSpec:
    if output.path is not None:
        return output
    path = folder / f"{name_of(name)}{ending(format_of(output), output)}"
    # It is the daemon's own folder: whatever lies there was made by this very job.
    return output.model_copy(update={"path": str(path), "overwrite": True})


def _identity(spec: JobSpec) -> str:
    """The canonical spec without the places of what was read; its contents count. Places of results do."""
    data = json.loads(spec.canonical())
    data["photo"] = "-"
    data["depth"].pop("file", None)
    data.pop("audio", None)
    data["effects"].get("caption", {}).pop("font", None)
    data["effects"].get("watermark", {}).pop("file", None)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# -- pieces --------------------------------------------------------------------------------------------------------


@contextmanager
def _named_as_sent(uploads: Mapping[str, Upload]) -> Iterator[None]:
    """What is wrong with a file that was sent is said with the client's name for it, not with where it lies here."""
    try:
        yield
    except DepthFlowError as error:
        for upload in uploads.values():
            error.message = error.message.replace(str(upload.path), upload.name)
        raise


def _known(core: Core, request: str, digest: str) -> Job | None:
    found = core.store.requested(request)
    if found is None:
        return None
    job, before = found
    if before != digest:
        raise RequestReusedError(
            f"the request {request!r} asked for something else before", "give every request a name of its own"
        )
    return job


def _request_digest(asked: Submit, uploads: Mapping[str, Upload]) -> str:
    files = sorted((part, upload.digest, upload.name) for part, upload in uploads.items())
    text = json.dumps([asked.model_dump(mode="json"), files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _photo_limits(core: Core) -> PhotoLimits:
    settings = load_settings().settings.limits
    return PhotoLimits(
        max_bytes=settings.max_photo_bytes, max_pixels=min(settings.max_photo_pixels, core.limits.pixels)
    )


def _digest(file: Path) -> str:
    try:
        return digest_of(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}", "check its permissions") from error
