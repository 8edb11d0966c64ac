"""Reads facts back from a finished file by decoding it; it needs no ffprobe, which wheels of ffmpeg lack."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from depthflow.errors import InputError
from depthflow.video.colour import exact_rate
from depthflow.video.comments import read_comment
from depthflow.video.facts import VideoFacts
from depthflow.video.ffmpeg import ffmpeg_path, last_lines, run_ffmpeg, run_together
from depthflow.video.probe_images import probe_images

__all__ = ["Depth", "VideoFacts", "has_sound", "is_silent", "probe"]

Depth = Literal["decode", "begin", "count"]


def probe(
    path: Path | str,
    *,
    depth: Depth = "decode",
    first_frame: bool = False,
    texts: bool = True,
    ffmpeg: str | None = None,
    poll: Callable[[], None] = lambda: None,
) -> VideoFacts:
    """Read a video, an animation, an image, or a folder of images.

    Args:
        depth: "decode" decodes every frame and fails where the decoder notices damage; "count" reads the packets only,
            at a quarter of the time, and sees truncation but no damage within a frame; "begin" decodes the first two
            frames besides.
        first_frame: with "count", decode the first frame all the same: only there does H.264 say how two views lie.
        texts: read the texts in the file, too; unless it is decoded, they take a process of their own.
        ffmpeg: the ffmpeg to use; None takes the preferred one.
        poll: called every tenth of a second while ffmpeg reads a video; what it raises ends the reading.

    Raises:
        InputError: it is not there, is no video, or is damaged. FFmpegError: ffmpeg does not run.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() in (".gif", ".webp", ".png", ".apng", ".jpg", ".jpeg"):
        return probe_images(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file", "check the path")
    return _probe_video(path, depth, first_frame, texts or depth == "decode", ffmpeg or ffmpeg_path(), poll)


def _probe_video(
    path: Path, depth: Depth, first_frame: bool, texts: bool, ffmpeg: str, poll: Callable[[], None]
) -> VideoFacts:
    source = [ffmpeg, "-hide_banner", "-nostats", "-xerror"]
    file = ["-i", str(path.absolute())]
    # Decoded frames tell what they are: ffmpeg need not decode some beforehand, 20 CPU-ms at 1080p, to describe a
    # stream whose packets the container describes.
    undescribed = depth == "begin" and path.suffix.lower() in (".mp4", ".mov")
    # An AVIF animation has its poster for the first stream, and itself for the second; with opacity, which is a stream
    # of its own, for the third.
    for index in (2, 1, 0) if path.suffix.lower() == ".avif" else (0,):
        wanted = ["-map", f"0:v:{index}"]
        # With one thread it does not decode more than it is asked for.
        first = ["-threads", "1"] if depth == "begin" else []
        first += ["-nofind_stream_info"] if undescribed else []
        some = [*wanted, "-frames:v", "2", "-f", "null", "-"] if depth == "begin" else []
        every = [*wanted, "-f", "null", "-"] if depth == "decode" else []
        # The packets' own clock gives the exact rate; ffmpeg's description of the streams comes with it.
        counting = [*source, *first, *file, *wanted, "-c", "copy", "-f", "framecrc", "pipe:1", *some]
        packets, *decoded = run_together(
            counting, *([[*source, *file, *every, "-f", "ffmetadata", "pipe:1"]] if texts else []), poll=poll
        )
        if packets.returncode == 0:
            break
    for done in (packets, *decoded):
        _check(done.returncode, done.stderr, path)
    head, _, _ = packets.stderr.partition("Output #0")
    log = "".join(done.stderr for done in (packets, *decoded))
    if first_frame and depth == "count":
        # Whether the frame is damaged is not asked here.
        begin = [part for part in source if part != "-xerror"]
        log += run_ffmpeg([*begin, *file, *wanted, "-frames:v", "1", "-f", "null", "-"]).stderr

    streams = list(_VIDEO.finditer(head))
    stream = streams[min(index, len(streams) - 1)] if streams else None
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)$", packets.stdout, re.MULTILINE)
    if stream is None or size is None:
        raise InputError(f"{path}: holds no video")
    frames, rate = _clock(packets.stdout)
    if depth == "decode":
        counts = _COUNT.findall(log)
        frames = int(counts[-1]) if counts else 0
    if rate is None and (told := re.search(r", ([\d.]+) fps\b", stream["rest"])) and float(told[1]) > 0:
        rate = exact_rate(float(told[1]))
    frame = _VIDEO.search(packets.stderr.partition("Output #1")[2]) if undescribed else stream
    if frame is None:
        raise InputError(f"{path}: no frame of it can be decoded")
    colours = _colours(frame["details"] or "")
    words = _metadata("".join(done.stdout for done in decoded))
    if texts and path.suffix.lower() == ".avif" and (comment := read_comment(path)):
        words["comment"] = comment
    return VideoFacts(
        path=path,
        frames=frames,
        width=int(size[1]),
        height=int(size[2]),
        fps=float(rate) if rate else 0.0,
        duration=float(frames / rate) if rate else 0.0,
        codec=stream["codec"],
        pixel_format=frame["pixels"],
        bytes=path.stat().st_size,
        has_audio=_SOUND.search(head) is not None,
        rate=rate,
        metadata=words,
        stereo=_stereo(head, log),
        **colours,
    )


def has_sound(path: Path, ffmpeg: str | None = None) -> bool:
    """Whether a file holds sound that ffmpeg knows."""
    # Without an output ffmpeg describes the input and ends with an error; only the description counts.
    told = run_ffmpeg([ffmpeg or ffmpeg_path(), "-hide_banner", "-i", str(path.absolute())]).stderr
    return _SOUND.search(told) is not None


def is_silent(path: Path, seconds: float, ffmpeg: str | None = None) -> bool:
    """Whether nothing can be heard in the first seconds of a sound file: below -80 dB of full scale.

    Raises:
        InputError: the sound cannot be decoded.
    """
    listen = ["-t", f"{seconds:.3f}", "-i", str(path.absolute()), "-map", "0:a:0", "-af", "volumedetect"]
    told = run_ffmpeg([ffmpeg or ffmpeg_path(), "-hide_banner", "-nostats", *listen, "-f", "null", "-"])
    if told.returncode != 0:
        raise InputError(f"{path}: is no sound that can be decoded: {last_lines(told.stderr, 2)}")
    loudest = _LOUDEST.search(told.stderr)
    return loudest is None or float(loudest[1]) < -80


_LOUDEST = re.compile(r"max_volume: (-?(?:[\d.]+|inf)) dB")
_VIDEO = re.compile(
    r"^\s*Stream #\d:\d+.*?: Video: (?P<codec>\w+).*?, (?P<pixels>[a-z]\w+)(?:\((?P<details>[^)]*)\))?"
    r"(?P<rest>, \d+x\d+.*)$",
    re.MULTILINE,
)
_SOUND = re.compile(r"^\s*Stream #0:\d+.*: Audio: ", re.MULTILINE)
_COUNT = re.compile(r"frame=\s*(\d+)")


def _check(status: int, log: str, path: Path) -> None:
    if status == 0:
        return
    # The first lines describe the file; what went wrong is after them, and ffmpeg's unwinding last.
    lines = [line for line in log.splitlines() if _TROUBLE.search(line)] or log.splitlines()[-3:]
    raise InputError(
        f"{path}: is no whole video: {last_lines(_POINTERS.sub('', chr(10).join(lines[:3])))}",
        "it is damaged, unfinished, or no video at all",
    )


_TROUBLE = re.compile(r"error|invalid|not found|matches no streams|partial|truncat|damage|corrupt|missing", re.I)
_POINTERS = re.compile(r"^\[[^]]* @ 0x[0-9a-f]+\] ?", re.MULTILINE)


def _clock(table: str) -> tuple[int, Fraction | None]:
    """Packets, and the frame rate if they all last equally long, from framecrc's table."""
    base = re.search(r"^#tb 0: (\d+)/(\d+)$", table, re.MULTILINE)
    rows = [line.split(",") for line in table.splitlines() if line.startswith("0,")]
    # The last packet's duration is often made up.
    lasting = {int(row[3]) for row in rows[: max(1, len(rows) - 1)]}
    if base is None or len(lasting) != 1 or (ticks := lasting.pop()) <= 0:
        return len(rows), None
    rate = 1 / (Fraction(int(base[1]), int(base[2])) * ticks)
    # A clock in milliseconds cannot tell 30 frames a second: 33 ms would be 30.303.
    return len(rows), rate if base[2] != "1000" else None


def _colours(details: str) -> dict[str, str | None]:
    """Tags from the words behind a pixel format: `tv, bt709` or `tv, smpte170m/bt709/bt709, progressive`."""
    found: dict[str, str | None] = dict.fromkeys(("color_space", "color_range", "color_primaries", "color_transfer"))
    for word in (part.strip() for part in details.split(",")):
        if word in ("tv", "pc"):
            found["color_range"] = word
        elif word.count("/") == 2 or word in ("bt709", "smpte170m", "bt470bg", "gbr"):
            parts = word.split("/") if "/" in word else [word] * 3
            keys = ("color_space", "color_primaries", "color_transfer")
            found |= {key: part for key, part in zip(keys, parts, strict=True) if part != "unknown"}
    return found


_STEREO = {
    "side by side": "left_right",
    "side by side (inverted)": "right_left",
    "top and bottom": "top_bottom",
    "top and bottom (inverted)": "bottom_top",
}


def _stereo(head: str, log: str) -> str | None:
    """How two views lie in a frame: from the container's text, else from what decoded frames say."""
    if told := re.search(r"^\s*stereo_mode\s*: (\w+)$", head, re.MULTILINE):
        return told[1]
    told = re.search(r"^\s*stereo ?3d: ([\w ]+(?:\(inverted\))?)", log, re.MULTILINE | re.IGNORECASE)
    return _STEREO.get(told[1].strip()) if told else None


def _metadata(text: str) -> dict[str, str]:
    """ffmpeg's metadata notation: key=value lines, with a backslash before `=`, `;`, `#`, itself and a new line."""
    result: dict[str, str] = {}
    for entry in re.split(r"(?<!\\)(?:\\\\)*\n", text):
        if entry.startswith("["):
            break
        parts = re.fullmatch(r"((?:[^=\\]|\\.)*)=(.*)", entry, re.DOTALL)
        if parts and not entry.startswith(";"):
            key, value = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in parts.groups())
            result[key.lower()] = value
    return result
