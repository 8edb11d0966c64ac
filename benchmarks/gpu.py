"""Frames per second where a GPU draws: drawn only, brought into memory, sent to ffmpeg as they are, and encoded.

    python benchmarks/gpu.py [--photo FILE] [--sizes 1080p 4k 8k] [--frames 150] [--rounds 5]

"Drawn" ends when the GPU has drawn the last frame; nothing is read back. "In memory" brings each frame as 4:2:0 into
memory. "To ffmpeg's null" writes those into a pipe, and ffmpeg throws them away. "CPU" is this process's, and ffmpeg's
where there is one; "GPU" is the time that the GPU's own clock gives to the drawing of a frame. Medians of the rounds,
which take turns; two layers, no effects, the default motion.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from stages import Cost, _machine, cost, median

from depthflow import paths
from depthflow.images import load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.spec import JobSpec
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer
from depthflow.render.painter import Shot
from depthflow.video.ffmpeg import ffmpeg_path
from depthflow.video.pipe import FramePipe

SIZES = {"1080p": (1920, 1080), "4k": (3840, 2160), "8k": (7680, 4320)}
_MOST_ENCODED = 30
"""Frames of an encoded clip larger than 1080p: the encoder takes its time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", default=str(paths.data("config", "samples", "boats.jpg")))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    gl = context().info
    print(f"{datetime.date.today()} · {_machine()} · {gl.renderer} ({gl.version}) · load {os.getloadavg()[0]:.1f}")
    photo = load_photo(options.photo)
    print(f"{Path(options.photo).name} {photo.size[0]}x{photo.size[1]}; medians of {options.rounds} rounds\n")
    print(f"{'':<34} {'frames/s':>9} {'ms wall':>8} {'ms CPU':>7} {'ms GPU':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sizes:
            _measure(options, name, Path(folder))


def _measure(options: argparse.Namespace, name: str, folder: Path) -> None:
    size = SIZES[name]
    few = options.frames if name == "1080p" else min(options.frames, _MOST_ENCODED)
    spec, short = (_spec(options.photo, size, count, folder) for count in (options.frames, few))
    photo = load_photo(options.photo)
    depth = pipeline.depth_of(photo, spec.depth)
    rows: dict[str, tuple[int, list[Cost]]] = {}

    def add(row: str, frames: int, work: Callable[[], object]) -> None:
        rows.setdefault(row, (frames, []))[1].append(cost(work))

    with FrameRenderer(photo.pixels, depth, size=size, colour="bt709", pack=True, twin=True) as renderer:
        cameras = renderer.framed(pipeline.cameras_of(spec, spec.outputs[0], depth))
        shots = [Shot((camera,)) for camera in cameras]
        renderer.prepare(cameras)
        _to_null(renderer, shots, size)  # the first time costs more
        on_gpu = []
        for _ in range(options.rounds):
            add("drawn", len(shots), lambda: _draw(renderer, shots))
            add("in memory", len(shots), lambda: _into_memory(renderer, shots))
            add("to ffmpeg's null", len(shots), lambda: _to_null(renderer, shots, size))
            on_gpu.append(_gpu_seconds(renderer, shots))
    for _ in range(min(3, options.rounds)):
        add("mp4, x264 veryfast, whole job", few, lambda: pipeline.make(short))
    for row, (frames, costs) in rows.items():
        wall, cpu = median(costs)
        gpu = f"{1000 * sorted(on_gpu)[len(on_gpu) // 2] / frames:>7.2f}" if row == "drawn" else ""
        print(
            f"{name + ', ' + row:<34} {frames / wall:>9.1f} {1000 * wall / frames:>8.2f} {1000 * cpu / frames:>7.2f} "
            f"{gpu}",
            flush=True,
        )


def _spec(photo: str, size: tuple[int, int], frames: int, folder: Path) -> JobSpec:
    output = {
        "path": str(folder / "out.mp4"),
        "size": f"{size[0]}x{size[1]}",
        "fps": 30,
        "duration": frames / 30,
        "crf": 20,
        "encoder": "libx264",
        "encoder_preset": "veryfast",
        "overwrite": True,
    }
    return pipeline.resolve(JobSpec.parse({"photo": photo, "outputs": [output]}))


def _draw(renderer: FrameRenderer, shots: list[Shot]) -> None:
    from OpenGL.raw.GL.VERSION import GL_1_0

    painter = renderer._painter

    def work() -> None:
        for shot in shots:
            painter._draw(shot)
        GL_1_0.glFinish()

    painter.gl.run(work)


def _gpu_seconds(renderer: FrameRenderer, shots: list[Shot]) -> float:
    """What the GPU works on all of them; other programs' use of it counts too."""
    import ctypes

    from OpenGL.raw.GL.VERSION import GL_1_5, GL_3_3

    painter = renderer._painter

    def work() -> float:
        query, spent = (ctypes.c_uint * 1)(), ctypes.c_uint64()
        GL_1_5.glGenQueries(1, query)
        seconds = 0.0
        for shot in shots:
            GL_1_5.glBeginQuery(GL_3_3.GL_TIME_ELAPSED, query[0])
            painter._draw(shot)
            GL_1_5.glEndQuery(GL_3_3.GL_TIME_ELAPSED)
            GL_3_3.glGetQueryObjectui64v(query[0], GL_1_5.GL_QUERY_RESULT, ctypes.byref(spent))
            seconds += spent.value / 1e9
        GL_1_5.glDeleteQueries(1, query)
        return seconds

    return painter.gl.run(work)


def _into_memory(renderer: FrameRenderer, shots: list[Shot]) -> None:
    for _ in renderer.raw_frames(shots):
        pass


def _to_null(renderer: FrameRenderer, shots: list[Shot], size: tuple[int, int]) -> None:
    picture = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", "30", "-i", "-"]
    command = [ffmpeg_path(), "-hide_banner", "-loglevel", "error", *picture, "-c:v", "copy", "-f", "null", "-"]
    pipe = FramePipe(command)
    for frame in renderer.raw_frames(shots):
        pipe.write(frame.data.cast("B"))
    pipe.finish()


if __name__ == "__main__":
    main()
