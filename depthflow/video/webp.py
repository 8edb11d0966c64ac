"""What libwebp leaves out of the WebP files that it makes; it reads the first bytes only."""

from __future__ import annotations

from pathlib import Path

_TRANSPARENT = 0x10
"""Of the flags in the VP8X chunk, at this place in the file."""
_FLAGS = 20


def mark_transparent(path: Path) -> None:
    """Say of a WebP that is more than a bare picture that some of it is transparent.

    libwebp says so only if the pictures in it have transparent pixels. It crops them to what is not clear first, and
    where a clear part is a whole side of the frame none may be left; then decoders show that side black.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("rb+") as file:
        head = file.read(_FLAGS + 1)
        if head[8:16] == b"WEBPVP8X" and len(head) > _FLAGS:
            file.seek(_FLAGS)
            file.write(bytes([head[_FLAGS] | _TRANSPARENT]))
