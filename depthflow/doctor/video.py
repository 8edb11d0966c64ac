"""Which ffmpeg is used and what it really encodes here. It makes no video but the trial frames."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from depthflow.doctor.check import Check, Facts, failed
from depthflow.errors import FFmpegError

if TYPE_CHECKING:
    from depthflow.video.probing import EncoderInfo

_MEND = "pip install imageio-ffmpeg, whose own ffmpeg has all of them"
_NOT_BUILT_IN = "built without"


def check_ffmpeg() -> Check:
    from depthflow.video import ffmpeg
    from depthflow.video.devices import families_present
    from depthflow.video.encoder_table import ENCODERS
    from depthflow.video.probing import working_encoders

    facts: Facts = {"path": "", "version": "", "source": "", "encoders": [], "hardware": [], "refused": []}
    try:
        paths = ffmpeg.ffmpeg_paths()
        facts.update(path=paths[0], version=ffmpeg.ffmpeg_version(paths[0]), source=_source(paths[0]))
        # What was remembered may be of yesterday's driver: a doctor looks again.
        tried = working_encoders(paths[0], refresh=True)
        if any(not _made(tried, codec) for codec in {info.codec for info in tried}) and len(paths) > 1:
            # Rendering, too, takes the second ffmpeg for what the first lacks.
            facts["second_path"] = paths[1]
            tried += working_encoders(paths[1], refresh=True)
    except FFmpegError as error:
        return failed("ffmpeg", error, facts)
    working = {(info.name, info.codec): info for info in tried if info.works}
    facts["encoders"] = list(dict.fromkeys(i.name for i in working.values() if not i.hardware))
    facts["hardware"] = list(dict.fromkeys(i.name for i in working.values() if i.hardware))
    # Without the device there is nothing to say: every ffmpeg is built with encoders for all makers' cards.
    present = ("software", *families_present())
    facts["refused"] = list(
        dict.fromkeys(
            f"{info.name}: {info.reason}"
            for info in tried
            if not info.works
            and ENCODERS[info.name].family in present
            and _NOT_BUILT_IN not in info.reason
            and (info.name, info.codec) not in working
        )
    )
    lacking = [codec for codec in dict.fromkeys(i.codec for i in tried) if not _made(tried, codec)]
    facts["codecs_lacking"] = lacking
    if "h264" in lacking:
        return Check("ffmpeg", "fail", facts, "nothing here encodes H.264, which mp4 files need", _MEND)
    if lacking:
        return Check("ffmpeg", "warn", facts, f"nothing here encodes {', '.join(lacking)}", _MEND)
    return Check("ffmpeg", "ok", facts)


def _made(tried: list[EncoderInfo], codec: str) -> bool:
    return any(info.works for info in tried if info.codec == codec)


def _source(path: str) -> str:
    """Whose ffmpeg it is: the variable that names it, "imageio-ffmpeg" or "system"."""
    for variable in ("DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE"):
        if os.environ.get(variable):
            return variable
    spec = importlib.util.find_spec("imageio_ffmpeg")
    folders = spec.submodule_search_locations if spec else None
    inside = any(os.path.realpath(path).startswith(os.path.realpath(folder)) for folder in folders or ())
    return "imageio-ffmpeg" if inside else "system"
