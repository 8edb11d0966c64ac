"""Asks which encoders really encode on this machine, by letting each make a few frames, and remembers it.

A name in ffmpeg's list means little: data-centre GPUs have no NVENC, containers see no /dev/dri. One trial
takes 0.1 to 1 s, so it happens only when somebody wants to know, and once for each ffmpeg and set of devices.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from depthflow import paths
from depthflow.errors import FFmpegError
from depthflow.video import ffmpeg
from depthflow.video.command import trial_command
from depthflow.video.devices import device_nodes
from depthflow.video.encoder_table import ENCODERS

TRIAL_SECONDS = 10.0
"""A driver that takes longer for three small frames is no help."""
_TRIAL_SIDE, _TRIAL_FRAMES = 256, 3
_CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What one encoder did when it was tried.

    Attributes:
        codec: in the words of `FormatInfo.codec`; "hevc10" is tried with 10-bit frames.
        works: it made the trial frames.
        reason: ffmpeg's words if it did not.
    """

    name: str
    codec: str
    hardware: bool
    works: bool
    reason: str = ""


def working_encoders(path: str | None = None, *, refresh: bool = False) -> list[EncoderInfo]:
    """Every encoder of our table, tried on this machine, those in use first.

    Args:
        path: the ffmpeg to ask; None takes the preferred one.
        refresh: try again what is remembered.

    Raises:
        FFmpegError: there is no ffmpeg.
    """
    path = path or ffmpeg.ffmpeg_path()
    wanted = [(row.name, codec) for row in ENCODERS.values() for codec in row.codecs]
    return _probe(wanted, path, refresh=refresh)


def remembered_encoders(path: str | None = None) -> list[EncoderInfo]:
    """Those of `working_encoders` that have been tried before; tries none. Raises as that one."""
    return list(_load(_key(path or ffmpeg.ffmpeg_path())).values())


def probe_one(name: str, codec: str, path: str) -> EncoderInfo:
    """Whether one encoder works, from memory where it has been tried before."""
    return _probe([(name, codec)], path)[0]


# -- trials -----------------------------------------------------------------------------------------------


def _probe(wanted: Iterable[tuple[str, str]], path: str, *, refresh: bool = False) -> list[EncoderInfo]:
    wanted = list(wanted)
    key = _key(path)
    known = {} if refresh else _load(key)
    missing = [pair for pair in wanted if pair not in known]
    if missing:
        names = ffmpeg.encoder_names(path)
        workers = min(8, len(missing), max(2, os.cpu_count() or 2))
        with ThreadPoolExecutor(workers, thread_name_prefix="encoder-trial") as pool:
            tried = list(pool.map(lambda pair: _try(pair[0], pair[1], path, names), missing))
        known.update({(info.name, info.codec): info for info in tried})
        _save(key, known)
    return [known[pair] for pair in wanted]


def _try(name: str, codec: str, path: str, names: frozenset[str]) -> EncoderInfo:
    hardware = ENCODERS[name].hardware
    if name not in names:
        return EncoderInfo(name, codec, hardware, False, "this ffmpeg was built without it")
    command = trial_command(path, ENCODERS[name], codec, _TRIAL_SIDE)
    frame = bytes(range(256)) * (_TRIAL_SIDE * _TRIAL_SIDE * 3 // 256)
    try:
        result = ffmpeg.run_ffmpeg(command, timeout_s=TRIAL_SECONDS, data=frame * _TRIAL_FRAMES)
    except FFmpegError as error:
        return EncoderInfo(name, codec, hardware, False, str(error))
    if result.returncode == 0:
        return EncoderInfo(name, codec, hardware, True)
    return EncoderInfo(name, codec, hardware, False, _reason(result.stderr))


def _reason(log: str) -> str:
    """The first line of the log that tells why; what follows it is mostly ffmpeg unwinding."""
    lines = [line.partition("] ")[2] or line for line in log.splitlines() if line.strip()]
    return (lines[0].strip() if lines else "it said nothing")[:200]


# -- memory -----------------------------------------------------------------------------------------------


def _key(path: str) -> str:
    """Changes with the ffmpeg, the devices and the NVIDIA driver."""
    with contextlib.suppress(OSError):
        stat = Path(path).stat()
        path = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
    driver = ""
    with contextlib.suppress(OSError):
        driver = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0]
    devices = device_nodes()
    return f"{_CACHE_VERSION}|{path}|{','.join(devices)}|{driver}"


def _file() -> Path:
    return paths.cache_dir() / "encoders.json"


def _load(key: str) -> dict[tuple[str, str], EncoderInfo]:
    try:
        stored = json.loads(_file().read_text(encoding="utf-8"))
        if stored["key"] != key:
            return {}
        infos = [EncoderInfo(**row) for row in stored["encoders"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {(info.name, info.codec): info for info in infos}


def _save(key: str, known: dict[tuple[str, str], EncoderInfo]) -> None:
    """Several processes may write at once: the last one wins, and each file is whole."""
    file = _file()
    text = json.dumps({"key": key, "encoders": [asdict(info) for info in known.values()]}, indent=1)
    # What cannot be remembered is tried again next time; that is no reason to fail.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".encoders-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
