"""The stream of a preview: packets of frames as both sides write and read them. It opens no connection."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from depthflow.errors import ServerError

MAGIC = b"DFP1"
HEADER = struct.Struct(">4sBxHHIII")
"""Magic, kind, width, height, revision, number of the frame in its clip, bytes that follow; big-endian, 22 bytes."""
FRAME, PROBLEM = 0, 1
"""Kinds: (height, width, 3) uint8 sRGB, row 0 on top; or why there is no frame, as JSON with detail and hint."""
_LARGEST = 64 * 2**20


def packet(kind: int, body: bytes, *, width: int = 0, height: int = 0, revision: int = 0, number: int = 0) -> bytes:
    """A packet of the stream."""
    return HEADER.pack(MAGIC, kind, width, height, revision, number, len(body)) + body


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a preview, or why there is none.

    Attributes:
        revision: of the preview, whose parameters it shows.
        number: in its clip.
        width, height: pixels; 0 if there is no frame.
        pixels: height x width x 3 bytes, sRGB, row 0 on top.
        problem, hint: what is wrong with the parameters, and the way out; empty if nothing is.
    """

    revision: int
    number: int
    width: int
    height: int
    pixels: bytes
    problem: str = ""
    hint: str = ""


class Packets:
    """Takes bytes as they come, in pieces of any size, and gives out whole frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that end within this chunk.

        Raises:
            ServerError: it is no stream of a preview.
        """
        self._rest += chunk
        while len(self._rest) >= HEADER.size:
            magic, kind, width, height, revision, number, length = HEADER.unpack_from(self._rest)
            if magic != MAGIC or length > _LARGEST or (kind == FRAME and length != width * height * 3):
                raise ServerError("the daemon's stream of frames is none", "client and daemon should be of one version")
            if len(self._rest) < HEADER.size + length:
                return
            body = bytes(self._rest[HEADER.size : HEADER.size + length])
            del self._rest[: HEADER.size + length]
            if kind == FRAME:
                yield Frame(revision, number, width, height, body)
            elif kind == PROBLEM:
                said = json.loads(body)
                yield Frame(revision, number, 0, 0, b"", str(said.get("detail", "")), str(said.get("hint", "")))
