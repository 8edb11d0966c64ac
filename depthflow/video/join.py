"""Joins encoded pieces of a video into one file, without encoding them again; sound is laid under it here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from depthflow.errors import FFmpegError, OutputError, SystemError_
from depthflow.video import finish
from depthflow.video.colour import exact_rate, matrix_for
from depthflow.video.command import Frames, Stereo, Target, join_command
from depthflow.video.encoders import EncoderChoice
from depthflow.video.facts import VideoFacts
from depthflow.video.ffmpeg import run_ffmpeg
from depthflow.video.formats import FormatInfo
from depthflow.video.pipe import failure
from depthflow.video.workfile import WorkPlace, check_free


@dataclass(frozen=True, slots=True)
class PieceFile:
    """An encoded piece: a file, and how many frames it holds."""

    path: Path
    frames: int


class VideoJoiner:
    """Makes one video of its pieces; ends as `VideoWriter` does: under its final name, or without a trace.

    Args:
        path: the file.
        pieces: in their order, all in one folder and encoded alike.
        width, height: of the frames in pixels.
        fps: frames per second.
        audio: a sound file to lay under it.
        metadata: texts such as comment.
        overwrite: replace what is there.
        poll: called while ffmpeg works; if it raises, everything is removed.

    Raises:
        OutputError: the file cannot be written here.
    """

    def __init__(
        self,
        path: Path,
        pieces: Sequence[PieceFile],
        *,
        width: int,
        height: int,
        fps: float | Fraction,
        format: FormatInfo,  # noqa: A002 - the job's own word
        encoder: EncoderChoice,
        audio: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        stereo: Stereo | None = None,
        overwrite: bool = False,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self.format, self.encoder = Path(path).absolute(), format, encoder
        self._pieces, self._overwrite, self._poll = pieces, overwrite, poll
        self._ready: VideoFacts | None = None
        count = sum(piece.frames for piece in pieces)
        self._frames = Frames("yuv420p", width, height, exact_rate(fps), matrix_for(height), count=count)
        self.check_free()
        self._work = WorkPlace(self.path)
        self._target = Target(
            file=self._work.path,
            suffix=self.path.suffix,
            format=format,
            encoder=encoder.encoder,
            audio=None if audio is None else audio.absolute(),
            metadata=metadata or {},
            stereo=stereo,
        )

    def finish(self) -> VideoFacts:
        """Join, and decode what came of it to its end, but give it no name before `close`.

        Raises:
            FFmpegError: the pieces do not fit together, or the file does not hold all of their frames.
            OutputError: the disk is full.
        """
        if self._ready is None:
            try:
                self._ready = self._joined()
            except SystemError_ as error:
                self.abort()
                kind = OutputError if isinstance(error, OutputError) else FFmpegError
                raise kind(f"{self.path}: {error.message}", error.hint) from None
            except BaseException:
                self.abort()
                raise
        return self._ready

    def _joined(self) -> VideoFacts:
        listing = self._pieces[0].path.parent / f"{self._pieces[0].path.stem}.txt"
        listing.write_text(_listing(self._pieces, self._frames.rate), encoding="utf-8")
        try:
            command = join_command(self.encoder.ffmpeg, replace(self._frames, file=listing), self._target)
            result = run_ffmpeg(command, poll=self._poll)
        finally:
            listing.unlink(missing_ok=True)
        if result.returncode != 0:
            raise failure(result.returncode, result.stderr)
        facts = finish.verified(self._work.path, self.format, self._frames, "decode", self.encoder.ffmpeg, self._poll)
        return replace(facts, path=self.path)

    def check_free(self) -> None:
        """Say that the name is taken by now.

        Raises:
            OutputError: it is, and what is there may not be replaced.
        """
        check_free(self.path, overwrite=self._overwrite)

    def close(self) -> VideoFacts:
        """Finish, and give the file its name."""
        facts = self.finish()
        try:
            self._work.publish(overwrite=self._overwrite)
        except BaseException:
            self.abort()
            raise
        return facts

    def abort(self) -> None:
        """Remove what was begun; after `close` it does nothing."""
        with contextlib.suppress(OSError):
            self._work.discard()


def _listing(pieces: Sequence[PieceFile], rate: Fraction) -> str:
    """The pieces in the words of ffmpeg's concat demuxer; each begins exactly where the frames before it end."""
    lines = ["ffconcat version 1.0"]
    for piece in pieces:
        lines += [f"file '{piece.path.name}'", f"duration {float(piece.frames / rate):.9f}"]
    return "\n".join(lines) + "\n"
