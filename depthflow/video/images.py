"""Where a sequence of images goes: a folder, a numbered pattern, or one file for a single frame."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from depthflow.errors import FFmpegError
from depthflow.video.command import Frames
from depthflow.video.facts import VideoFacts
from depthflow.video.formats import FormatInfo, is_image_file, numbered
from depthflow.video.probe_images import probe_images
from depthflow.video.workfile import WorkPlace, check_free, check_images, publish_file, publish_images


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """The names of the images.

    Attributes:
        folder: where they go.
        before, digits, after: a name is before + number with that many digits + after.
        single: the one file, if there is only one frame and a file was named.
    """

    folder: Path
    before: str
    digits: int
    after: str
    single: Path | None = None

    @classmethod
    def of(cls, path: Path, format_: FormatInfo, *, still: bool = False) -> ImagePlan | None:
        """The plan for a path; None for formats that are one file anyway.

        Args:
            still: the path is a single file's, and no pattern whatever it looks like.
        """
        if format_.kind != "images":
            return None
        if not is_image_file(path, format_):
            return cls(path, "frame_", 5, format_.suffix)
        if not still and (pattern := numbered(path.name)):
            return cls(path.parent, *pattern)
        return cls(path.parent, path.stem, 0, path.suffix, single=path)

    @property
    def anchor(self) -> Path:
        """The work folder is made beside this: inside a folder that is there, else next to its name."""
        return self.single or (self.folder / "images" if self.folder.is_dir() else self.folder)

    @property
    def names(self) -> re.Pattern[str]:
        """What our images are called."""
        return re.compile(rf"{re.escape(self.before)}\d{{{max(1, self.digits)},}}{re.escape(self.after)}")

    def following(self, count: int) -> Iterator[str]:
        """The names that would come behind those of so many images."""
        return (f"{self.before}{number:0{max(1, self.digits)}d}{self.after}" for number in itertools.count(count + 1))

    def pattern_in(self, folder: Path) -> Path:
        """ffmpeg's pattern for them in the work folder; a percent sign is written twice there."""
        name = f"{self.before.replace('%', '%%')}%0{max(1, self.digits)}d{self.after.replace('%', '%%')}"
        return Path(str(folder).replace("%", "%%")) / name

    def check(self, *, overwrite: bool) -> None:
        """Say before any work that the names are taken."""
        if self.single is not None:
            check_free(self.single, overwrite=overwrite)
        else:
            check_images(self.folder, overwrite=overwrite, ours=self.names)

    def verified(self, work: WorkPlace, frames: Frames) -> VideoFacts:
        """Count and read the images in the work folder.

        Raises:
            FFmpegError: their number or size is not that of the frames.
        """
        facts = probe_images(work.path)
        if facts.frames != frames.count or (facts.width, facts.height) != (frames.width, frames.height):
            raise FFmpegError(
                f"{facts.frames} images of {facts.width}x{facts.height} came out, not {frames.count} of "
                f"{frames.width}x{frames.height}"
            )
        facts = replace(facts, fps=float(frames.rate), rate=frames.rate, duration=frames.seconds or 0.0)
        return replace(facts, path=self.single or self.folder)

    def publish(self, work: WorkPlace, *, overwrite: bool) -> None:
        """Give the images in the work folder their names.

        Raises:
            OutputError: they cannot be moved.
        """
        if self.single is None:
            after = self.following(sum(1 for _ in work.path.iterdir()))
            publish_images(work, self.folder, overwrite=overwrite, ours=self.names, after=after)
            return
        (image,) = work.path.iterdir()
        publish_file(image, self.single, overwrite=overwrite)
        work.discard()
