"""Several photos: which there are, and a place for each result so that none overwrites another. It renders nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from depthflow import paths
from depthflow.errors import PhotoError
from depthflow.images import list_photos, name_of, nameless, suffix_of


@dataclass(frozen=True, slots=True)
class Item:
    """One photo and where its result goes.

    Attributes:
        photo: path, URL or "-".
        output: None leaves it beside the photo.
    """

    photo: str
    output: Path | None


def is_batch(photos: Sequence[str]) -> bool:
    """More than one photo is meant, even if only one is found."""
    return len(photos) != 1 or paths.is_folder(paths.expanded(photos[0])) or _is_pattern(photos[0])


def _is_pattern(entry: str) -> bool:
    return any(sign in entry for sign in "*?[") and "://" not in entry and not paths.exists(paths.expanded(entry))


def expanded(photos: Sequence[str]) -> list[str]:
    """Patterns such as `photos/**/*.jpg` written out, as shells do, or do not.

    Raises:
        PhotoError: nothing matches one.
    """
    found: list[str] = []
    for entry in photos:
        if not _is_pattern(entry):
            found.append(entry)
            continue
        matches = sorted(glob(str(paths.expanded(entry)), recursive=True))  # noqa: PTH207 - it may begin at any folder
        if not matches:
            raise PhotoError(f"{entry}: no file matches", "in a pattern, ** stands for folders within folders")
        found += matches
    return found


def read_list(text: str) -> list[str]:
    """Photos that are named one a line, or each ended by a NUL, as `find -print0` does; empty lines are passed over."""
    # Not splitlines: it also splits at signs that may stand in a name.
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [line for line in lines if line.strip()]


def collect(photos: Sequence[str], *, ending: str, folder: Path | None, recursive: bool = False) -> list[Item]:
    """Every photo that is meant, with its output.

    A folder's sub-folders are mirrored below `folder`. What is named twice is taken once. Photos whose results
    would have one name (cat.jpg and cat.png) get their own suffix into it: cat-jpg.mp4, cat-png.mp4.

    Args:
        photos: paths, folders, URLs.
        ending: of the results' names, such as ".mp4".
        folder: where results go; None puts them beside their photos.

    Raises:
        PhotoError: a folder without photos, or an empty name.
    """
    found: list[tuple[str, Path]] = []
    for entry in photos:
        if not entry:
            raise nameless()
        top = paths.expanded(entry)
        if "://" not in entry and entry != "-" and paths.is_folder(top):
            inside = list_photos([entry], recursive)
            if not inside:
                deeper = "" if recursive else "; --recursive looks into sub-folders"
                raise PhotoError(f"{entry}: no photos in this folder", f"jpg, png, webp, heic and so on{deeper}")
            found += [(photo, (folder or top) / Path(photo).relative_to(top).parent) for photo in inside]
        elif "://" in entry or entry == "-":
            found.append((entry, folder or Path()))
        else:
            found.append((entry, folder or top.parent))
    # `*.jpg cat.jpg` names a photo twice, and means it once.
    found = list(dict.fromkeys(found))
    wanted = [place / f"{name_of(photo)}{ending}" for photo, place in found]
    twice = {path for path, count in Counter(wanted).items() if count > 1}
    items, taken = [], set(wanted)
    for (photo, place), path in zip(found, wanted, strict=True):
        output = path
        if path in twice or _same(path, photo):
            kind = suffix_of(photo).lstrip(".").lower() or "photo"
            output = place / f"{name_of(photo)}-{kind}{ending}"
            number = 2
            while output in taken:
                output = place / f"{name_of(photo)}-{kind}-{number}{ending}"
                number += 1
            taken.add(output)
        items.append(Item(photo, output))
    return items


def _same(path: Path, photo: str) -> bool:
    return path == paths.expanded(photo)
