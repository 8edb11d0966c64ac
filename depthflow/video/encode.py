"""VideoWriter: takes frames and leaves one finished, verified file under its final name, or nothing at all."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import FFmpegError, InputError, OutputError, SystemError_, UsageError
from depthflow.video import finish
from depthflow.video.colour import Matrix, PixelFormat, exact_rate, frame_bytes, matrix_for
from depthflow.video.command import AUDIO_BITS, TEXT_KEYS, Frames, Stereo, Target, encode_command, master_command
from depthflow.video.comments import room_for, write_comment
from depthflow.video.encoders import EncoderChoice
from depthflow.video.facts import VideoFacts
from depthflow.video.formats import FormatInfo, check_output
from depthflow.video.images import ImagePlan
from depthflow.video.pipe import FramePipe
from depthflow.video.probe import Depth, has_sound, is_silent
from depthflow.video.webp import mark_transparent
from depthflow.video.workfile import WorkPlace, check_free, explain


class VideoWriter:
    """Writes one video, animation or image sequence; a context manager.

    Leaving the block publishes the file, or removes every trace of it after an exception. Frames go into a
    hidden file beside the result, so nothing half-made ever has the final name; `close` reads it back and counts
    its frames before it gets that name.

    One thread writes. `abort` may come from any thread.

    Args:
        path: the file; for images a folder, a pattern such as `frame_%05d.png`, or a file if frames is 1.
            Missing folders are made.
        width, height: of the frames in pixels; see `formats.even_size`.
        fps: frames per second; 23.976, 29.97 and their like mean the exact fractions of television.
        quality: 0 to 100.
        crf: the encoder's own scale instead; smaller is better.
        preset: the encoder's speed; None takes ours.
        pixel_format: what `write` gets. RGB is sRGB, rows from the top; YUV is limited range, in the matrix
            of `colour.matrix_for`, planes one after another.
        audio: a sound file to lay under it, padded with silence or cut to the video's length;
            frames must be given then.
        metadata: texts such as comment and title; formats without a place for them leave them out. Animations and
            images have one for the comment: that of a sequence is in its first image.
        bitrate: bits a second of the pictures, on average; the file comes just below it, whatever the quality.
        target_bytes: the file must not become larger; if it would, it comes just below.
            Both keep the frames in a lossless file meanwhile, and encode them as often as it takes.
        overwrite: replace what is there.
        frames: how many frames will come; then more or fewer are an error.
        still: the one frame goes into a file of that name, and no percent sign in it makes it a pattern.
        verify: how `close` looks at the file, see `probe`. "auto" decodes what hardware made, whose drivers may write
            nonsense; of software encoders it counts the packets and decodes the first frames. Measured at 1080p: 6.1
            CPU-ms a frame against 0.6, which is 5 % of making the frame.
        matrix: the YUV matrix if it is not the one that the size asks for.
        stereo: how two views lie in a frame, for players that ask; written where there is a place for it.
        poll: called every tenth of a second while ffmpeg is waited for; if it raises, everything is removed.

    Raises:
        UsageError: the format cannot do what is asked. OutputError: the file cannot be written here.
        InputError: the audio is no sound file. FFmpegError: ffmpeg cannot be started.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: float | Fraction,
        format: FormatInfo,  # noqa: A002 - the job's own word
        encoder: EncoderChoice,
        quality: int = 75,
        crf: int | None = None,
        preset: str | None = None,
        pixel_format: PixelFormat = "rgb24",
        audio: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        bitrate: int | None = None,
        target_bytes: int | None = None,
        overwrite: bool = False,
        frames: int | None = None,
        still: bool = False,
        verify: Literal["auto", "decode", "count"] = "auto",
        matrix: Matrix | None = None,
        stereo: Stereo | None = None,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = Path(path).absolute()
        self.format = format
        self.encoder = encoder
        self.written = 0
        self._overwrite = overwrite
        decode = verify == "decode" or (verify == "auto" and encoder.hardware)
        self._verify: Depth = "decode" if decode else "begin" if format.kind == "video" else "count"
        self._limits = target_bytes, bitrate
        self.note = ""
        """What was given up for a limit, after `close`; a line for people."""
        self._ready: VideoFacts | None = None
        self._poll = poll
        self._facts: VideoFacts | None = None
        self._closed = False
        self._pipe: FramePipe | None = None
        check_output(
            format,
            path=str(path),
            width=width,
            height=height,
            fps=exact_rate(fps),
            frames=frames,
            alpha=pixel_format == "rgba",
            crf=crf,
            audio=audio is not None,
            target_bytes=target_bytes,
            bitrate=bitrate,
        )
        if audio is not None and frames is None:
            raise ValueError("sound is cut to the video's length, so the number of frames must be given")
        if format.codec != encoder.codec:
            raise UsageError(f"{encoder.name} makes {encoder.codec}, and {format.name} needs {format.codec}")
        self._frames = Frames(pixel_format, width, height, exact_rate(fps), matrix or matrix_for(height), count=frames)
        self._frame_bytes = frame_bytes(pixel_format, width, height)
        self._comment = (metadata or {}).get("comment", "") if format.kind != "video" else ""
        self._images = ImagePlan.of(self.path, format, still=still)
        target = Target(
            file=self.path,
            suffix=self.path.suffix,
            format=format,
            encoder=encoder.encoder,
            quality=quality,
            crf=crf,
            preset=preset,
            audio=_checked_audio(audio, encoder.ffmpeg),
            metadata=_checked_metadata(metadata or {}, format, self.path.suffix),
            stereo=stereo,
        )
        # Built once before anything is made: a wrong preset is said here.
        encode_command(encoder.ffmpeg, self._frames, target)
        self._two_stages = format.name == "gif" or target_bytes is not None or bitrate is not None
        if self._images is not None:
            self._images.check(overwrite=overwrite)
            self._work = WorkPlace(self._images.anchor, folder=True)
            self._target = replace(target, file=self._images.pattern_in(self._work.path))
        else:
            check_free(self.path, overwrite=overwrite)
            self._work = WorkPlace(self.path)
            self._target = replace(target, file=self._work.path)
        self._master = self._work.beside(".mkv") if self._two_stages else None
        try:
            if self._master is not None:
                command = master_command(encoder.ffmpeg, self._frames, self._master)
            else:
                command = encode_command(encoder.ffmpeg, self._frames, self._target)
            self._pipe = FramePipe(command, poll)
        except BaseException:
            self._work.discard()
            raise
        # A writer that is forgotten, or still open when the program ends, leaves nothing behind either.
        self._leftover = weakref.finalize(self, _clean, self._pipe, self._work)

    @property
    def pid(self) -> int | None:
        """Process number of the ffmpeg that takes the frames; None after the end."""
        return None if self._pipe is None or self._closed else self._pipe.pid

    @property
    def command(self) -> list[str]:
        """The command line that takes the frames."""
        return [] if self._pipe is None else list(self._pipe.command)

    def write(self, frame: NDArray[np.uint8] | memoryview | bytes) -> None:
        """Hand over the next frame; waits while the encoder is busy.

        Args:
            frame: (H, W, 3) or (H, W, 4) uint8 for RGB; for YUV the planes one after another, as (H*3/2, W)
                or flat. It may be reused as soon as this returns.

        Raises:
            ValueError: the writer is closed, or the frame has another size.
            FFmpegError: ffmpeg has died; the message carries its last lines. OutputError: the disk is full.
            And what `poll` raises.
        """
        if self._closed or self._pipe is None:
            raise ValueError(f"{self.path}: the writer is closed")
        if self._frames.count is not None and self.written >= self._frames.count:
            raise ValueError(f"{self.path}: all {self._frames.count} frames are written already")
        data = self._bytes_of(frame)
        with self._aborting():
            self._pipe.write(data)
        self.written += 1

    def close(self) -> VideoFacts:
        """Finish the file, read it back, and give it its name; calling it again gives the same facts.

        Raises:
            ValueError: it was aborted. OutputError: frames are missing, or the name is taken by now.
            FFmpegError: ffmpeg failed, or what it made does not hold the frames that were written.
        """
        if self._facts is not None:
            return self._facts
        ready = self.finish()
        with self._aborting():
            self._facts = self._publish(ready)
        self._closed = True
        self._leftover.detach()
        return self._facts

    def finish(self) -> VideoFacts:
        """Finish the file and read it back, but give it no name before `close`.

        So several writers can finish before the first of them publishes. Calling it again gives the same facts.

        Raises:
            As `close`.
        """
        if self._closed or self._pipe is None:
            raise ValueError(f"{self.path}: the writer is closed")
        if self._ready is None:
            with self._aborting():
                self._ready = self._finish(self._pipe)
            self._pipe.kill()
        return self._ready

    def check_free(self) -> None:
        """Say that the name is taken by now.

        Raises:
            OutputError: it is, and what is there may not be replaced.
        """
        if self._images is not None:
            self._images.check(overwrite=self._overwrite)
        else:
            check_free(self.path, overwrite=self._overwrite)

    def abort(self) -> None:
        """Stop ffmpeg at once and remove the work file; calling it again, or after `close`, does nothing."""
        if self._closed:
            return
        self._closed = True
        self._leftover()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abort()
        elif not self._closed:
            self.close()

    # -- inside -------------------------------------------------------------------------------------------

    def _bytes_of(self, frame: NDArray[np.uint8] | memoryview | bytes) -> memoryview:
        if isinstance(frame, np.ndarray):
            if frame.dtype != np.uint8:
                raise ValueError(f"a frame is uint8, not {frame.dtype}")
            channels = {"rgb24": 3, "rgba": 4}.get(self._frames.pixel_format)
            shape = (self._frames.height, self._frames.width, channels)
            if channels is not None and frame.ndim > 1 and frame.shape != shape:
                raise ValueError(f"a frame has the shape {shape}, not {frame.shape}")
            frame = np.ascontiguousarray(frame).data
        data = memoryview(frame).cast("B")
        if data.nbytes != self._frame_bytes:
            raise ValueError(f"a frame has {self._frame_bytes} bytes, not {data.nbytes}")
        return data

    def _finish(self, pipe: FramePipe) -> VideoFacts:
        expected = self._frames.count
        if self.written == 0 or (expected is not None and self.written != expected):
            pipe.kill()
            wanted = "at least one" if expected is None else str(expected)
            raise OutputError(f"{self.path}: {self.written} frames were written, {wanted} expected")
        pipe.finish()
        frames = replace(self._frames, count=self.written)
        if self._master is not None:
            limit, fill = self._limit(frames)
            self.note = finish.from_master(
                self.encoder.ffmpeg,
                replace(frames, file=self._master),
                self._target,
                self._work,
                limit,
                fill=fill,
                extra=room_for(self._comment, self.format.suffix) if self._comment else 0,
                poll=self._poll,
            )
            self._master.unlink()
        self._complete()
        if self._images is not None:
            return self._images.verified(self._work, frames)
        facts = finish.verified(self._work.path, self.format, frames, self._verify, self.encoder.ffmpeg, self._poll)
        return replace(facts, path=self.path)

    def _complete(self) -> None:
        """Add to the finished file what ffmpeg does not write."""
        if self._images is not None:
            file, spare = min(self._work.path.iterdir(), default=None), self._work.path / "comment.part"
        else:
            file, spare = self._work.path, self._work.beside(self.path.suffix)
        try:
            if self.format.name == "webp" and self._frames.alpha:
                mark_transparent(self._work.path)
            if file is not None and self._comment:
                write_comment(file, self._comment, spare)
        except OSError as error:
            raise explain(error, self.path) from error
        except ValueError as error:
            raise FFmpegError(f"what ffmpeg made cannot be read back: {error}") from None

    def _publish(self, facts: VideoFacts) -> VideoFacts:
        if self._images is not None:
            self._images.publish(self._work, overwrite=self._overwrite)
        else:
            self._work.publish(overwrite=self._overwrite)
        return facts

    @contextlib.contextmanager
    def _aborting(self) -> Iterator[None]:
        """Whatever fails inside leaves nothing behind."""
        try:
            yield
        except SystemError_ as error:
            self.abort()
            raise self._named(error) from error.__cause__
        except BaseException:
            self.abort()
            raise

    def _limit(self, frames: Frames) -> tuple[int | None, bool]:
        """Bytes that the file must not exceed, and whether it should come near them."""
        most, bitrate = self._limits
        if bitrate is None:
            return most, False
        sound = AUDIO_BITS if self._target.audio else 0
        average = int((bitrate + sound) * (frames.seconds or 0) / 8)
        return (average if most is None else min(average, most)), True

    def _named(self, error: SystemError_) -> SystemError_:
        """The error with the output's name in front."""
        if str(self.path) in error.message:
            return error
        kind = OutputError if isinstance(error, OutputError) else FFmpegError
        return kind(f"{self.path}: {error.message}", error.hint)


def check_request(
    path: Path,
    *,
    format: FormatInfo,  # noqa: A002
    encoder: EncoderChoice,
    frames: int,
    still: bool = False,
    quality: int = 75,
    crf: int | None = None,
    preset: str | None = None,
    audio: Path | None = None,
    seconds: float = 0.0,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Say before any frame is drawn what a VideoWriter would find wrong, but for the size of the frames.

    A hidden file is made beside the result and removed again: nothing else tells whether that will be possible.

    Args:
        still: as for a VideoWriter.
        seconds: of the video; so much of the sound is listened to.

    Returns:
        Notes for people: a sound file that is silent.

    Raises:
        UsageError: the encoder has no such preset or rate factor. OutputError: the name is taken, or nothing can be
        written there. InputError: the audio is no sound file.
    """
    encoder.encoder.speed(preset)
    encoder.encoder.rate(quality, crf)
    images = ImagePlan.of(path.absolute(), format, still=still)
    if images is not None:
        images.check(overwrite=overwrite)
        WorkPlace(images.anchor, folder=True).discard()
    else:
        check_free(path, overwrite=overwrite)
        WorkPlace(path.absolute()).discard()
    if (sound := _checked_audio(audio, encoder.ffmpeg)) is None or not is_silent(sound, seconds, encoder.ffmpeg):
        return ()
    return (f"{audio}: is silent for as long as the video lasts",)


def _clean(pipe: FramePipe, work: WorkPlace) -> None:
    with contextlib.suppress(OSError):
        pipe.kill()
    work.discard()


def _checked_audio(audio: Path | None, ffmpeg: str) -> Path | None:
    """The sound file's full path.

    Raises:
        InputError: it is not there, or holds no sound.
    """
    if audio is None:
        return None
    if not audio.is_file():
        raise InputError(f"{audio}: no such sound file", "check the path")
    if not has_sound(audio, ffmpeg):
        raise InputError(
            f"{audio}: holds no sound that ffmpeg can read", "give a file such as wav, mp3, flac, ogg or m4a"
        )
    return audio.absolute()


def _checked_metadata(metadata: Mapping[str, str], format_: FormatInfo, suffix: str) -> Mapping[str, str]:
    if format_.metadata and format_.muxer_for(suffix) in ("mp4", "mov"):
        for key in metadata:
            if key not in TEXT_KEYS:
                raise UsageError(f"{format_.name} has no place for the text {key!r}", f"it has {', '.join(TEXT_KEYS)}")
    return metadata


class Closing(Protocol):
    """What ends with a file under its final name, or with none."""

    def finish(self) -> VideoFacts: ...
    def check_free(self) -> None: ...
    def close(self) -> VideoFacts: ...
    def abort(self) -> None: ...


def close_together(writers: Sequence[Closing]) -> list[VideoFacts]:
    """Close several writers, so that either all of their files get their names or none does.

    All are finished and read back first, and all names looked at; only a disk that fails between two renames could
    still part them.

    Raises:
        As `VideoWriter.close`; then all are aborted.
    """
    try:
        for writer in writers:
            writer.finish()
        for writer in writers:
            writer.check_free()
        return [writer.close() for writer in writers]
    except BaseException:
        for writer in writers:
            writer.abort()
        raise
