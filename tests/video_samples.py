"""Small clips for the video tests, and a look at the results through PyAV: nothing here comes from our own probe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from depthflow.video.encode import VideoWriter
from depthflow.video.encoders import choose_encoder
from depthflow.video.facts import VideoFacts
from depthflow.video.formats import FORMATS

Frame = NDArray[np.uint8]

COLOURS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255),
    (0, 0, 0), (128, 128, 128), (200, 100, 50), (30, 160, 220),
)  # fmt: skip


def patches(width: int, height: int, channels: int = 3) -> Frame:
    """Eight upright bars of the COLOURS, opaque."""
    frame = np.full((height, width, channels), 255, np.uint8)
    for index, colour in enumerate(COLOURS):
        frame[:, index * width // 8 : (index + 1) * width // 8, :3] = colour
    return frame


def patch_colours(frame: Frame) -> NDArray[np.int64]:
    """The colour in the middle of each bar, (8, channels)."""
    height, width = frame.shape[:2]
    columns = [(2 * index + 1) * width // 16 for index in range(8)]
    return frame[height // 2, columns].astype(np.int64)


def moving(width: int, height: int, count: int) -> list[Frame]:
    """A smooth gradient with a bright square that wanders: every frame differs from every other."""
    y, x = np.mgrid[0:height, 0:width]
    frames = []
    for index in range(count):
        frame = np.stack((x * 255 // width, y * 255 // height, (x + y + 4 * index) % 256), -1).astype(np.uint8)
        left = (index * 5) % (width - 8)
        frame[4:12, left : left + 8] = 250
        frames.append(frame)
    return frames


def write(path: Path, frames: list[Any], name: str = "mp4", *, fps: float | Fraction = 30, **more: Any) -> VideoFacts:
    """A clip through VideoWriter with a software encoder."""
    format_ = FORMATS[name]
    pixel_format = more.get("pixel_format", "rgb24")
    height, width = frames[0].shape[:2]
    if pixel_format in ("yuv420p", "nv12"):
        height = height * 2 // 3
    alpha = pixel_format == "rgba"
    writer = VideoWriter(
        path,
        width=width,
        height=height,
        fps=fps,
        format=format_,
        encoder=choose_encoder(format_, more.pop("encoder", "software"), alpha=alpha),
        frames=more.pop("count", len(frames)),
        **more,
    )
    with writer:
        for frame in frames:
            writer.write(frame)
        return writer.close()


@dataclass
class Seen:
    """What PyAV found."""

    frames: list[av.VideoFrame]
    rate: Fraction
    codec: str
    tag: str
    pixel_format: str
    tags: tuple[int, int, int, int]
    """matrix, range (1 limited, 2 full), primaries, transfer; as H.273 numbers them."""
    audio_seconds: float | None
    container: str
    metadata: dict[str, str]


def seen(path: Path, decoder: str | None = None) -> Seen:
    """Decode a file to its end."""
    with av.open(str(path)) as container:
        stream = container.streams.video[-1]
        context = stream.codec_context
        frames = []
        if decoder:
            codec: Any = av.CodecContext.create(decoder, "r")
            for packet in container.demux(stream):
                frames += codec.decode(packet if packet.size else None)
        else:
            frames = list(container.decode(stream))
        first = frames[0]
        result = Seen(
            frames=frames,
            rate=stream.average_rate or Fraction(0),
            codec=context.name,
            tag=context.codec_tag,
            pixel_format=first.format.name,
            tags=(
                int(first.colorspace),
                int(first.color_range),
                int(context.color_primaries),
                int(context.color_trc),
            ),
            audio_seconds=None,
            container=container.format.name,
            metadata={**container.metadata},
        )
    with av.open(str(path)) as container:
        if container.streams.audio:
            samples = [(f.samples, f.sample_rate) for f in container.decode(audio=0)]
            result.audio_seconds = sum(count for count, _ in samples) / samples[0][1]
    return result


_KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}


def to_rgb(frame: av.VideoFrame) -> Frame:
    """Limited-range YUV to RGB by the formula of H.273, for the matrix that the frame is tagged with."""
    kr, kb = _KR_KB[int(frame.colorspace)]
    depth = 10 if "10" in frame.format.name else 12 if "12" in frame.format.name else 8
    kind = np.dtype("<u2") if depth > 8 else np.dtype(np.uint8)
    planes = []
    for plane in list(frame.planes)[:3]:
        raw = np.frombuffer(bytes(plane), kind).reshape(plane.height, plane.line_size // kind.itemsize)
        values = raw[:, : plane.width].astype(float) / 2 ** (depth - 8)
        rows = np.arange(frame.height) * plane.height // frame.height
        columns = np.arange(frame.width) * plane.width // frame.width
        planes.append(values[rows][:, columns])
    y, cb, cr = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    rgb: Frame = np.clip(np.stack((red, green, blue), -1) * 255 + 0.5, 0, 255).astype(np.uint8)
    return rgb


def psnr(one: Frame, other: Frame) -> float:
    error = float(np.mean((one.astype(float) - other.astype(float)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def alive(pid: int) -> bool:
    """The process is there and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def everything(folder: Path) -> list[str]:
    """All names in a folder, the hidden ones too."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))
