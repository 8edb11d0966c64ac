"""Fonts for captions: the one that ships with the program, one of this computer where that lacks letters, or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from depthflow import paths
from depthflow.errors import UsageError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_KEY = "effects.caption.font"

_PREFERRED = (
    "notosans-regular",
    "dejavusans",
    "liberationsans-regular",
    "arial",
    "segoeui",
    "helvetica",
    "arialunicode",
    "arial unicode",
    "notosanscjk-regular",
    "pingfang",
    "hiragino sans gb",
    "msyh",
    "msgothic",
    "malgun",
    "unifont",
)
"""Names of files without suffix, in lower case: what is looked at before all other fonts of the computer."""

_NO_TEXT = ("lastresort", "emoji", "symbol", "dingbat", "icon", "awesome")
"""In the names of fonts that have signs for letters, or boxes for everything."""

_STYLES = ("bold", "black", "heavy", "light", "thin", "italic", "oblique", "condensed", "mono", "serif", "math")
"""In the names of fonts that are taken after the upright ones of usual weight."""

_TRIAL = 24
"""Pixels of the letters that are tried."""


def built_in() -> Path:
    """The font that ships with the program: Latin, Greek and Cyrillic letters."""
    return paths.data("config", "fonts", "OpenSans-Regular.ttf")


def font_for(text: str, height: int, file: str | None, *, warn: Callable[[str], None] = lambda _: None) -> FreeTypeFont:
    """A font that has every letter of a text.

    Args:
        height: of a line, pixels.
        file: a TrueType or OpenType file; None chooses one.
        warn: told which font of this computer was taken, where the built-in one has not all letters.

    Raises:
        UsageError: the file is no font or lacks letters, or no font of this computer has them all.
    """
    if file is not None:
        font = _opened(paths.expanded(file), height, file)
        if missing := _missing(text, font):
            raise UsageError(
                f"effects.caption.text: the font {Path(file).name} has no {_listed(missing)}",
                f"name another font file, or leave {_KEY} out",
            )
        return font
    font = _opened(built_in(), height, "the built-in font")
    if missing := _missing(text, font):
        found = _of_computer("".join(sorted({c for c in text if not c.isspace()})))
        if found is None:
            raise UsageError(
                f"effects.caption.text: neither the built-in font nor one of this computer has {_listed(missing)}",
                f"name a font file that has it: {_KEY}",
            )
        font = _opened(found, height, str(found))
        name = " ".join(part for part in font.getname() if part)
        warn(f"caption: the built-in font has no {_listed(missing)}; {name} of this computer is taken ({found})")
    return font


def _listed(letters: str) -> str:
    return " ".join(letters[:10])


def _opened(path: Path, height: int, said: str) -> FreeTypeFont:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(path, height)
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"{_KEY}: {said} cannot be used: {error}", "name a .ttf or .otf file, or leave it out"
        ) from None


def _missing(text: str, font: FreeTypeFont) -> str:
    """The letters that the font draws as it draws what no font has."""
    nothing = bytes(font.getmask("\U0010ffff"))
    return "".join(sorted({c for c in text if not c.isspace() and bytes(font.getmask(c)) == nothing}))


@lru_cache(maxsize=64)
def _of_computer(letters: str) -> Path | None:
    """The first font of this computer that has these letters; the same one as long as the same fonts are there."""
    from PIL import ImageFont

    for path in sorted({path for folder in folders() for path in _fonts_in(folder)}, key=_rank):
        try:
            font = ImageFont.truetype(path, _TRIAL)
            if not _missing(letters, font):
                return path
        except (OSError, ValueError):
            continue
    return None


def _rank(path: Path) -> tuple[int, int, str, str]:
    name = path.stem.lower()
    first = _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)
    return first, sum(style in name for style in _STYLES), name, str(path)


def _fonts_in(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):  # goes past folders that are closed
        for name in names:
            stem, dot, suffix = name.lower().rpartition(".")
            if dot and suffix in ("ttf", "otf", "ttc") and not any(word in stem for word in _NO_TEXT):
                yield Path(root, name)


def folders() -> list[Path]:
    """Where this system keeps fonts: the system's and the user's."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        user = [Path(local, "Microsoft", "Windows", "Fonts")] if local else []
        return [Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts"), *user]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), paths.expanded("~/Library/Fonts")]
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    shared = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    return [
        *(Path(folder, "fonts") for folder in shared if folder),
        paths.expanded(data) / "fonts",
        paths.expanded("~/.fonts"),
    ]
