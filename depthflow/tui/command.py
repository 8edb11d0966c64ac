"""The command line that makes what a job makes. It knows the options and what they change, and runs nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from depthflow.errors import DepthFlowError
from depthflow.jobs.effects_options import escaped
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.jobs.library import apply_preset, load_motion, load_preset, resolve
from depthflow.jobs.spec import JobSpec
from depthflow.settings import job_base, load_settings

Data = dict[str, Any]

VALUES = {
    ("depth", "model"): "--model",
    ("depth", "fallback"): "--fallback",
    ("depth", "file"): "--depth",
    ("depth", "provider"): "--provider",
    ("depth", "network_size"): "--network-size",
    ("depth", "tiles"): "--tiles",
    ("depth", "far"): "--depth-far",
    ("depth", "near"): "--depth-near",
    ("depth", "gamma"): "--depth-gamma",
    ("depth", "percentile"): "--depth-percentile",
    ("motion", "strength"): "--strength",
    ("motion", "phase"): "--phase",
    ("motion", "easing"): "--easing",
    ("motion", "cycles"): "--cycles",
    ("motion", "period"): "--period",
    ("motion", "hold"): "--hold",
    ("motion", "pivot"): "--pivot",
    ("motion", "pivot_x"): "--pivot-x",
    ("motion", "pivot_y"): "--pivot-y",
    ("layers", "count"): "--layers",
    ("layers", "fill"): "--fill",
    ("camera", "relief"): "--relief",
    ("camera", "focus"): "--focus",
    ("camera", "zoom"): "--zoom",
    ("camera", "fov"): "--fov",
    ("camera", "isometric"): "--isometric",
    ("render", "gl_backend"): "--gl-backend",
    ("render", "gl_device"): "--gl-device",
    ("render", "edge"): "--edge",
    ("render", "background"): "--background",
    ("output", "path"): "-o",
    ("output", "size"): "--size",
    ("output", "fit"): "--fit",
    ("output", "fps"): "--fps",
    ("output", "duration"): "--duration",
    ("output", "loops"): "--loops",
    ("output", "format"): "--format",
    ("output", "quality"): "--quality",
    ("output", "crf"): "--crf",
    ("output", "encoder"): "--encoder",
    ("output", "encoder_preset"): "--encoder-preset",
    ("output", "bitrate"): "--bitrate",
    ("output", "target_bytes"): "--max-size",
    ("output", "poster"): "--poster",
}
"""Options with a value, by what they set in a job."""
FLAGS = {
    ("depth", "invert"): ("--invert-depth", None),
    ("depth", "stretch"): ("--stretch-depth", None),
    ("depth", "embedded"): ("--embedded-depth", "--no-embedded-depth"),
    ("depth", "flip"): ("--flip", "--no-flip"),
    ("motion", "reverse"): ("--reverse", None),
    ("motion", "loop"): ("--loop", "--once"),
    ("output", "overwrite"): ("--overwrite", "--no-overwrite"),
}
"""Options that say yes or no; None where there is no way to say no."""
VIEW = {"separation": "--separation", "anaglyph": "--anaglyph", "quilt": "--quilt"}
MOTION = ("components", "tracks", "one_way")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line.

    Attributes:
        words: the program and its arguments.
        whole: it makes exactly this job. If not, something of it has no option, such as keyframes of its own, and only
            `depthflow make job.toml` makes it all.
    """

    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        """For a shell."""
        return shlex.join(self.words)


def render_command(spec: Mapping[str, Any], *, program: str = "render") -> Command:
    """`depthflow render ...` for a job as `JobSpec.to_dict` has it, as the user's settings are now.

    What the settings and the preset give already is not said again.

    Args:
        program: render or submit.

    Raises:
        UsageError: this is no job.
    """
    wanted = resolve(JobSpec.parse(dict(spec)))
    command = _command(wanted, program, wanted.preset)
    if wanted.preset is not None:
        # The preset may be another one by now: all that it says has to be taken back, if there is an option for it.
        plain = _command(wanted, program, None)
        if plain.whole and (not command.whole or len(plain.words) < len(command.words)):
            return plain
    return command


def _command(wanted: JobSpec, program: str, preset: str | None) -> Command:
    photo = wanted.photo
    job: Data = {**job_base(load_settings().settings), "photo": photo}
    words = ["depthflow", program, f"./{photo}" if photo.startswith("-") and photo != "-" else photo]
    if preset is not None:
        try:
            job = apply_preset(job, load_preset(preset))
        except DepthFlowError:
            return _command(wanted, program, None)
        words += ["--preset", preset]
    aim = wanted.to_dict()
    words += _options(job, aim)
    if aim["seed"]:
        job["seed"] = aim["seed"]
        words += ["--seed", str(aim["seed"])]
    if wanted.audio is not None:
        job["audio"] = wanted.audio
        words += ["--audio", wanted.audio]
    made = resolve(JobSpec.parse(job))
    return Command(tuple(words), made.canonical() == wanted.canonical())


def _options(job: Data, aim: Data) -> Iterator[str]:
    """The options that turn `job` into `aim` as far as there are some; `job` is changed as they would change it."""
    job["outputs"] = [dict(job.get("outputs", [{}])[0])]
    if (name := aim["motion"]["name"]) != _motion_name(job) and _is_motion(aim["motion"]):
        job["motion"] = {**job.get("motion", {}), "name": name}
        yield from ("--motion", name)
    now = resolve(JobSpec.parse(job)).to_dict()
    for (part, key), option in VALUES.items():
        old, new = (_part(data, part).get(key) for data in (now, aim))
        if new is not None and new != old:
            _set(job, part, key, new)
            yield from (option, _text(new))
    for (part, key), (yes, no) in FLAGS.items():
        old, new = (_part(data, part).get(key) for data in (now, aim))
        word = yes if new else no
        if new is not None and new != old and word is not None:
            _set(job, part, key, new)
            yield word
    yield from _view(job, _part(now, "output")["view"], _part(aim, "output")["view"])
    yield from _effects(job, now["effects"], aim["effects"])


def _view(job: Data, now: Data, aim: Data) -> Iterator[str]:
    if now == aim:
        return
    _set(job, "output", "view", aim)
    yield from ("--view", aim["mode"])
    for key, option in VIEW.items():
        if key in aim:
            yield from (option, _text(aim[key]))
    if aim.get("swap"):
        yield "--swap-eyes"


def _effects(job: Data, now: Data, aim: Data) -> Iterator[str]:
    for part in EffectsSpec.model_fields:
        for key, value in aim[part].items():
            if now[part].get(key) != value:
                job["effects"] = {**job.get("effects", {})}
                job["effects"][part] = {**job["effects"].get(part, {}), key: value}
                text = escaped(value) if (part, key) == ("caption", "text") else _text(value)
                yield from ("--effect", f"{part}.{key}={text}")


def _motion_name(job: Data) -> str:
    return str(JobSpec.parse(job).motion.name)


def _is_motion(motion: Data) -> bool:
    try:
        load_motion(motion["name"])
    except DepthFlowError:
        return False
    return True


def _part(job: Data, part: str) -> Data:
    found: Data = job["outputs"][0] if part == "output" else job[part]
    return found


def _set(job: Data, part: str, key: str, value: Any) -> None:
    if part == "output":
        job["outputs"][0][key] = value
    else:
        job[part] = {**job.get(part, {}), key: value}


def _text(value: Any) -> str:
    """As an option's parser takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
