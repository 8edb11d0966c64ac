"""What makes two jobs the same work: each byte that goes in, what is made of it, and with which network and program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from depthflow import __version__


def digest_of(file: Path) -> str:
    """SHA-256 of its bytes, hex. Raises OSError: it cannot be read."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(content: str, digests: Mapping[str, str], identity: str, network: str) -> str:
    """The key of work that this program does, as it is installed.

    Args:
        content: digest of the photo.
        digests: those of the other files that go in, by their paths.
        identity: the canonical JobSpec without the places of files.
        network: name or path of the depth network; its contents count too.
    """
    from depthflow.depth.registry import find_model

    return job_key([content, *digests.values()], identity, f"{network} {find_model(network).sha256}", __version__)


def job_key(content: Iterable[str], spec: str, model: str, renderer: str) -> str:
    """The same of its pieces: SHA-256, 64 hex digits.

    Args:
        content: SHA-256 of every file that goes in: photo, depth map, sound.
        spec: the canonical JobSpec.
        model: names the depth network and its version.
        renderer: the program's version.
    """
    return hashlib.sha256(json.dumps([sorted(content), spec, model, renderer]).encode()).hexdigest()
