"""What mount a path lies on: of another machine, where events and locks cannot be relied on, or read-only."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

MOUNT_TABLE = Path("/proc/self/mountinfo")

REMOTE = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|davfs|drvfs|fuse|fuse\..*|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|"
    r"prl_fs|smb3|smbfs|vboxsf|virtiofs|vmhgfs"
)
"""Types whose files other machines (or, in WSL and virtual machines, the host) change without telling this kernel."""


def is_remote(path: Path, *, table: Path = MOUNT_TABLE) -> bool:
    """Whether a path, or where it would be made, lies on a network, FUSE, 9p or host-shared mount.

    FUSE of a local disk (`fuseblk`: NTFS, exFAT) is local. On other systems than Linux only Windows' UNC paths
    are known to be remote.
    """
    if sys.platform == "win32":
        return str(path).startswith("\\\\")
    return REMOTE.fullmatch(file_system(path, table=table)) is not None


def file_system(path: Path, *, table: Path = MOUNT_TABLE) -> str:
    """Type of the mount that a path lies on, such as "ext4"; empty where the system does not tell."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    path = path.resolve()
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        place = Path(_unescaped(fields[4]))
        # Of several mounts on one place the last one is seen.
        if path.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split(" ", 1)[0]
    return kind


def _unescaped(text: str) -> str:
    """The kernel writes space, tab, newline and backslash in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def is_read_only(place: Path) -> bool:
    """Whether the mount that a place lies on, or will lie on, can be written to by nobody, as far as that is known."""
    if sys.platform == "win32":
        return False
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        return False
