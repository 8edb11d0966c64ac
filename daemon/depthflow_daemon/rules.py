"""What is to be made of a photo in a watched folder: rules and sidecars in, JobSpecs out. It makes nothing.

From below to above: the user's settings, the preset the folder is watched with, then for each folder from the root down
to the photo the preset it is named after and its `.depthflow.toml`, at last `photo.toml` beside the photo.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthflow.errors import UsageError
from depthflow.images import PHOTO_SUFFIXES, name_of
from depthflow.images import is_photo_name as is_photo
from depthflow.jobs import library
from depthflow.jobs.library import Preset, apply_preset, load_preset
from depthflow.jobs.planning import ending
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.settings import job_base, load_settings
from depthflow_daemon.rule_file import RuleFile, Rules, read_rules
from depthflow_daemon.template import fill, fitting
from depthflow_daemon.watch import RULES_FILE

_KEPT_FILES = 1000
"""Rule files that are remembered; the oldest is read again when it is needed."""
AUDIO_SUFFIXES = (".flac", ".wav", ".mp3", ".m4a", ".aac", ".ogg", ".opus")


@dataclass(frozen=True, slots=True)
class WatchFolder:
    """One line of the daemon's set-up.

    Attributes:
        root: where photos are dropped.
        output: where results go, sub-folders mirrored; never watched, so it may lie in the root.
        archive: where photos go after a rule `after = "archive"`.
        preset: a name, or a path, since the daemon's owner gives it.

    Raises:
        UsageError: results would lie among the photos.
    """

    root: Path
    output: Path
    archive: Path
    preset: str | None = None

    def __post_init__(self) -> None:
        root = self.root.resolve()
        for place, what in ((self.output, "results"), (self.archive, "the archive")):
            if root.is_relative_to(place.resolve()):
                raise UsageError(
                    f"{place}: {what} would lie among the photos of {self.root}",
                    f"take another folder, or one in it, such as {self.root / 'out'}",
                )


@dataclass(frozen=True, slots=True)
class Plan:
    """One job of a photo.

    Attributes:
        spec: what to make, every output with its path.
        rules: what else holds for it.
        files: everything besides the photo whose content decides the result.
        identity: the canonical spec without the photo's place, and with outputs named as if nothing were in their
            way: what makes this work the same work another time.
    """

    spec: JobSpec
    rules: Rules
    files: tuple[Path, ...]
    identity: str


class FolderRules:
    """The rules of one watched folder. Files are read anew when they changed.

    Args:
        taken: whether a result's path belongs to another photo, or to nobody known; told the path and the photo.
    """

    def __init__(self, folder: WatchFolder, taken: Callable[[Path, Path], bool]) -> None:
        self.folder = folder
        self.root, self.output = folder.root.resolve(), folder.output.resolve()
        self._taken = taken
        self._cache: dict[Path, tuple[tuple[int, int, int], RuleFile | UsageError]] = {}

    def rules_for(self, photo: Path) -> Rules:
        """Raises UsageError: a rule file that holds for the photo is broken."""
        return self._merged(photo)[1]

    def plans(self, photo: Path) -> list[Plan]:
        """The jobs of a photo: one, or two where sound lies beside it and some of the formats have none.

        Args:
            photo: absolute, below the root.

        Raises:
            UsageError: names the rule file, the key, what is allowed and the nearest known key.
        """
        job, rules, outputs, last = self._merged(photo)
        common = job["outputs"][0]
        wanted = [self._wanted(photo, job, rules, {**common, **own}, n, last) for n, own in enumerate(outputs, 1)]
        placed = self._placed(photo, wanted, last)
        depth, audio = self._depth_beside(photo), self._audio_beside(photo)
        if depth is not None:
            job["depth"] = {**job.get("depth", {}), "file": str(depth)}
        plans = []
        for sound in (True, False):
            chosen = [i for i, (_, _, can_sound) in enumerate(wanted) if (can_sound and audio is not None) is sound]
            if not chosen:
                continue
            whole = {**job, "photo": str(photo), "audio": str(audio) if sound else None}
            specs = [{**wanted[i][1], "path": str(placed[i]), "overwrite": True} for i in chosen]
            spec = JobSpec.parse({**_filled(whole), "outputs": specs}, source=last)
            plain = [{**wanted[i][1], "path": str(wanted[i][0])} for i in chosen]
            alike = JobSpec.parse({**_filled(whole), "photo": "-", "outputs": plain}, source=last)
            files = tuple(file for file in (depth, audio if sound else None) if file is not None)
            plans.append(Plan(spec, rules, files, _placeless(alike)))
        return plans

    # -- layers ----------------------------------------------------------------------------------------------------

    def _merged(self, photo: Path) -> tuple[dict[str, Any], Rules, list[dict[str, Any]], str]:
        """Job data, rules, what each output has of its own, and the file that spoke last."""
        job: dict[str, Any] = {"photo": "-", **job_base(load_settings().settings)}
        said: dict[str, Any] = {}
        outputs: list[dict[str, Any]] = [{}]
        last = str(self.root)
        if self.folder.preset is not None:
            job = apply_preset(job, load_preset(self.folder.preset))
        for layer in self._layers(photo, said):
            if isinstance(layer, Preset):
                job = apply_preset(job, layer)
                continue
            last = str(layer.path)
            if layer.preset is not None:
                job = apply_preset(job, layer.preset)
            named = job.get("preset")
            job = apply_preset(job, Preset("", "", layer.parts, layer.path))
            job["preset"] = named
            if layer.outputs is not None:
                outputs = layer.outputs
            said |= layer.rules
            # Here, so that a mistake is said of the file that made it.
            trial = [{**job["outputs"][0], **own} for own in outputs]
            JobSpec.parse({**_filled(job), "outputs": trial}, source=last)
        if "seed" in said:
            job["seed"] = said["seed"]
        return job, Rules.model_validate(said), outputs, last

    def _layers(self, photo: Path, said: dict[str, Any]) -> Any:
        """Presets and rule files from the root down; `said` is read while they are applied."""
        known = library.names("presets")
        inside = photo.relative_to(self.root).parent
        for folder in reversed([inside, *inside.parents]):
            if folder.name in known and said.get("preset_folders", True):
                yield load_preset(folder.name)
            if (found := self._file(self.root / folder / RULES_FILE)) is not None:
                yield found
        for sidecar in toml_names(photo):
            if (found := self._file(sidecar)) is not None:
                yield found
                return

    def _file(self, path: Path) -> RuleFile | None:
        try:
            status = path.stat()
        except OSError:
            self._cache.pop(path, None)
            return None
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        cached = self._cache.get(path)
        if cached is None or cached[0] != stamp:
            if not path.resolve().is_relative_to(self.root):
                raise UsageError(f"{path}: leads out of the watched folder", "put the file itself there")
            try:
                cached = (stamp, read_rules(path))
            except UsageError as error:
                # Kept too: what is broken holds for many photos, and would be read for each of them.
                cached = (stamp, error)
            self._cache[path] = cached
            if len(self._cache) > _KEPT_FILES:
                # Of a photo that is long gone, most likely.
                oldest, *_ = self._cache
                self._cache.pop(oldest, None)
        if isinstance(cached[1], UsageError):
            raise cached[1].with_traceback(None)
        return cached[1]

    # -- places ----------------------------------------------------------------------------------------------------

    def _wanted(
        self, photo: Path, job: dict[str, Any], rules: Rules, output: dict[str, Any], number: int, source: str
    ) -> tuple[Path, dict[str, Any], bool]:
        """An output's path as its template has it, its data, and whether its format can have sound."""
        from depthflow.video.formats import format_for

        spec = JobSpec.parse({**_filled(job), "outputs": [output]}, source=source).outputs[0]
        info = format_for(None, spec.format)
        words = {
            "stem": name_of(str(photo)),
            "ext": photo.suffix.lstrip(".").lower(),
            "preset": job.get("preset") or "none",
            "motion": job["motion"].get("name", "orbital"),
            "format": info.name,
            "size": spec.size,
            "n": str(number),
        }
        name = fitting(fill(rules.name, words))
        place = self.output / photo.relative_to(self.root).parent / f"{name}{ending(info, spec)}"
        if not place.parent.resolve().is_relative_to(self.output):
            raise UsageError(f"{place}: leads out of {self.output}", "remove the link on the way")
        return place, {**output, "format": info.name}, info.audio is not None and spec.poster is None

    def _placed(self, photo: Path, wanted: list[tuple[Path, dict[str, Any], bool]], source: str) -> list[Path]:
        """Paths that no other photo's results have: cat.mp4, else cat-png.mp4, else cat-png-2.mp4 and so on."""
        places = [place for place, _, _ in wanted]
        for place in places:
            if places.count(place) > 1:
                raise UsageError(f"{source}: outputs: two have the name {place.name}", 'put {n} or {size} into "name"')
        for attempt in range(10_000):
            tail = (
                "" if attempt == 0 else f"-{photo.suffix.lstrip('.').lower()}" + ("" if attempt == 1 else f"-{attempt}")
            )
            tried = [
                _renamed(place, tail, ending(_info(data), OutputSpec.model_validate(data))) for place, data, _ in wanted
            ]
            if not any(self._taken(path, photo) for path in tried):
                return tried
        raise UsageError(f"{places[0]}: ten thousand results have this name already", "clear the folder")

    # -- sidecars --------------------------------------------------------------------------------------------------

    def _depth_beside(self, photo: Path) -> Path | None:
        from depthflow.depth.files import sidecar

        return self._inside(sidecar(photo))

    def _audio_beside(self, photo: Path) -> Path | None:
        return self._inside(next((file for file in audio_names(photo) if _is_file(file)), None))

    def _inside(self, file: Path | None) -> Path | None:
        return file if file is not None and file.resolve().is_relative_to(self.root) else None


def toml_names(photo: Path) -> list[Path]:
    """Where a photo's own rules may lie: photo.jpg.toml, photo.toml."""
    return [photo.with_name(f"{photo.name}.toml"), photo.with_name(f"{photo.stem}.toml")]


def audio_names(photo: Path) -> list[Path]:
    """Where a photo's sound may lie: photo.jpg.flac, photo.flac and so on."""
    return [photo.with_name(f"{stem}{suffix}") for stem in (photo.name, photo.stem) for suffix in AUDIO_SUFFIXES]


def companions(photo: Path) -> list[Path]:
    """Every file, there or not, whose change is a change of the photo's job."""
    from depthflow.depth.files import SIDECAR_SUFFIXES

    depths = [photo.with_name(f"{s}.depth{x}") for s in (photo.name, photo.stem) for x in SIDECAR_SUFFIXES]
    return [*toml_names(photo), *depths, *audio_names(photo)]


def photos_of(file: Path) -> list[Path]:
    """The photos that a file's change concerns: itself, or those that it is a sidecar of."""
    if is_photo(file.name):
        return [file]
    stem = file.name.removesuffix(file.suffix)
    stem = stem.removesuffix(".depth")
    near = [file.with_name(stem), *(file.with_name(stem + x) for s in PHOTO_SUFFIXES for x in (s, s.upper()))]
    return [photo for photo in near if is_photo(photo.name) and _is_file(photo) and file in companions(photo)]


def _is_file(path: Path) -> bool:
    # pathlib's own fails on names that became too long by a suffix.
    return os.path.isfile(path)  # noqa: PTH113


def _filled(job: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if value is not None}


def _info(output: dict[str, Any]) -> Any:
    from depthflow.video.formats import format_for

    return format_for(None, output["format"])


def _renamed(place: Path, tail: str, end: str) -> Path:
    return place.with_name(f"{place.name.removesuffix(end)}{tail}{end}")


def _placeless(spec: JobSpec) -> str:
    """The canonical spec without the sidecars' paths; their contents count, see `Plan.files`."""
    data = json.loads(spec.canonical())
    data["depth"].pop("file", None)
    data.pop("audio", None)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
