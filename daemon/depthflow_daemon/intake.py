"""From a file that was seen to a job in the store, and from a job's end to its photo's: the rules' executor."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from depthflow.errors import DepthFlowError, InputError, UsageError
from depthflow.video.workfile import WorkPlace
from depthflow_daemon.identity import digest_of, key_of
from depthflow_daemon.records import Job
from depthflow_daemon.rules import FolderRules, Plan, WatchFolder, companions, photos_of
from depthflow_daemon.stable import Spoilt, StabilityTracker, Stable, check_photo, signature_of
from depthflow_daemon.store import Store
from depthflow_daemon.template import fitting
from depthflow_daemon.waiting import Waiting, waiting
from depthflow_daemon.watch import RULES_FILE

log = logging.getLogger(__name__)

REASON_SUFFIX = ".error.txt"


class Intake:
    """What happens to photos. `seen` and `ended` may be called from any thread, `step` from one.

    Args:
        changed: told when `step` should be called soon.
        rescan: asked to tell of all files in a folder again.
        check: see `stable.StabilityTracker`.
    """

    def __init__(
        self,
        folders: list[WatchFolder],
        store: Store,
        *,
        changed: Callable[[], None] = lambda: None,
        rescan: Callable[[Path], None] = lambda _: None,
        check: Callable[[Path], str] = check_photo,
    ) -> None:
        self._rules = [FolderRules(folder, self._taken) for folder in folders]
        self._store, self._changed, self._rescan = store, changed, rescan
        self._tracker = StabilityTracker(check=check, companions=companions)
        self._told: dict[Path, tuple[str, float]] = {}
        self._rules_seen: dict[Path, str | None] = {}
        # Where results go must be decided and noted before the next photo is asked about.
        self._guard = threading.RLock()

    def __len__(self) -> int:
        """Photos that are being waited for."""
        return len(self._tracker)

    def waiting(self) -> list[Waiting]:
        """Photos that are waited for, and those that rules with a mistake keep, each with why."""
        found = {each.path: waiting(each) for each in self._tracker.waiting()}
        for photo, (text, at) in list(self._told.items()):
            signature = self._tracker.signature(photo)
            if photo not in found and signature is not None and not self._store.is_known(str(photo), signature):
                found[photo] = Waiting(photo, time.monotonic() - at, "rules", text)
        return list(found.values())

    def seen(self, file: Path) -> None:
        """A file appeared or changed."""
        if file.name == RULES_FILE:
            # The scan tells of this file again too.
            signature = signature_of(file)
            if self._rules_seen.get(file) != signature:
                self._rules_seen[file] = signature
                self._rescan(file.parent)
            return
        for photo in photos_of(file):
            signature = self._tracker.signature(photo)
            if signature is None or self._store.is_known(str(photo), signature):
                continue
            try:
                settle = self._rules_of(photo).rules_for(photo).settling
            except UsageError as error:
                self._tell(photo, error)
                continue
            except Exception as error:
                self._tell(photo, _unforeseen(error))
                continue
            self._tracker.offer(photo, settle)
            self._changed()

    def step(self) -> float | None:
        """Queue the photos that are whole now; seconds until the next may be, None if none is waited for."""
        for found in self._tracker.poll(limit=16):
            again = False
            try:
                if isinstance(found, Stable):
                    self._queue(found)
                else:
                    self._refuse(found)
            except (UsageError, InputError) as error:
                self._tell(found.path, error)
            except (DepthFlowError, OSError) as error:
                # The store or a disk fails just now: the photo goes through the same gate once more.
                log.warning("%r is tried again: %s", str(found.path), error)
                again = True
            except Exception as error:
                # One photo must not end the daemon.
                self._tell(found.path, _unforeseen(error))
            if isinstance(found, Spoilt) and found.passing:
                continue
            self._tracker.finish(found.path)
            if again:
                self._tracker.offer(found.path)
        return self._tracker.seconds_to_next()

    def ended(self, job: Job) -> None:
        """A job has come to an end, or waits for its next try."""
        photo = Path(job.source)
        if json.loads(job.note).get("origin") == "api":
            # Somebody asked for it by name: the folder's rules have no part in it.
            return
        try:
            rules = self._rules_of(photo)
            if job.state == "failed":
                self._say_why(rules, photo, job.error or "")
            elif self._is_made(job) and not self._store.open_jobs(job.source):
                self._reason_file(rules, photo).unlink(missing_ok=True)
                self._put_away(rules, photo, json.loads(job.note).get("content", ""))
        except (DepthFlowError, OSError) as error:
            log.warning("%r: %s", job.source, error)
        self._changed()

    def _is_made(self, job: Job) -> bool:
        """Its results are there, made by itself or by the one whose work it would have done again."""
        if job.state == "skipped":
            return job.same_as is None or self._store.get(job.same_as).state == "done"
        return job.state == "done"

    # -- in --------------------------------------------------------------------------------------------------------

    def _queue(self, found: Stable) -> None:
        photo = found.path
        if self._store.is_known(str(photo), found.signature):
            # It was offered once more while it was being queued.
            return
        with self._guard:
            plans = self._rules_of(photo).plans(photo)
            self._told.pop(photo, None)
            now = set()
            for number, plan in enumerate(plans, 1):
                # Known with its last job: killed between two, all are asked for again, and the first is skipped.
                known = (str(photo), found.signature) if number == len(plans) else None
                job = self._add(photo, found.content, plan, known)
                now.add(job.id if job.same_as is None else job.same_as)
            self._replace(photo, now)

    def _replace(self, photo: Path, now: set[int]) -> None:
        """Take back what the photo was to become before it, its sidecars or its rules changed.

        Its result has the same name, and with another priority it might come last.
        """
        for old in self._store.open_jobs(str(photo)):
            if old.id not in now and json.loads(old.note).get("origin") != "api":
                with contextlib.suppress(UsageError):  # it has just ended
                    self._store.cancel(old.id, f"replaced by job {max(now)}: the photo or its rules changed")

    def _add(self, photo: Path, content: str, plan: Plan, known: tuple[str, str] | None) -> Job:
        digests = {str(file): digest_of(file) for file in plan.files}
        job = self._store.add(
            key_of(content, digests, plan.identity, plan.spec.depth.model),
            plan.spec.to_json(),
            source=str(photo),
            outputs=[output.path for output in plan.spec.outputs if output.path],
            priority=plan.rules.priority,
            held=plan.rules.hold,
            window=plan.rules.window,
            file=known,
            note=json.dumps(
                {
                    "content": content,
                    "digests": digests,
                    "preset": plan.spec.preset,
                    "motion": plan.spec.motion.name,
                }
            ),
        )
        if job.state == "skipped":
            self.ended(job)
        return job

    def _refuse(self, found: Spoilt) -> None:
        if found.passing:
            log.warning("%r waits until it can be read: %s", str(found.path), found.reason)
        else:
            self._store.remember(str(found.path), found.signature, found.reason)
            log.warning("%r is not taken: %s", str(found.path), found.reason)
        with contextlib.suppress(OSError):
            self._say_why(self._rules_of(found.path), found.path, found.reason)

    def _rules_of(self, photo: Path) -> FolderRules:
        for rules in self._rules:
            if photo.is_relative_to(rules.root):
                return rules
        raise UsageError(f"{photo}: lies in no watched folder")

    def _taken(self, path: Path, photo: Path) -> bool:
        """Another photo's result has this name, or somebody's file, or what an earlier photo of this name became."""
        owner = self._store.owner_of(str(path))
        if owner is None:
            return path.exists()
        if owner != str(photo):
            return True
        return path.exists() and self._rules_of(photo).rules_for(photo).after != "keep"

    def _tell(self, photo: Path, error: DepthFlowError) -> None:
        text = f"{error} ({error.hint})" if error.hint else str(error)
        if self._told.get(photo, ("", 0.0))[0] != text:
            self._told[photo] = text, time.monotonic()
            log.error("%r waits: %s", str(photo), text)

    # -- out -------------------------------------------------------------------------------------------------------

    def _reason_file(self, rules: FolderRules, photo: Path) -> Path:
        place = rules.output / photo.relative_to(rules.root)
        return place.with_name(fitting(place.name) + REASON_SUFFIX)

    def _say_why(self, rules: FolderRules, photo: Path, reason: str) -> None:
        file = self._reason_file(rules, photo)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{photo}\n{reason}\n", encoding="utf-8")

    def _put_away(self, rules: FolderRules, photo: Path, content: str) -> None:
        """What the rule `after` says, if the photo still is what was rendered."""
        after = rules.rules_for(photo).after
        if after == "keep" or not photo.is_file() or digest_of(photo) != content:
            return
        mine = [file for file in companions(photo) if file.is_file() and photos_of(file) == [photo]]
        for file in (*mine, photo):
            if after == "archive":
                _move(file, rules.folder.archive / file.relative_to(rules.root))
            else:
                file.unlink(missing_ok=True)
        log.info("%r: %s", str(photo), "archived" if after == "archive" else "deleted")


def _unforeseen(error: Exception) -> DepthFlowError:
    log.debug("unforeseen", exc_info=error)
    return DepthFlowError(f"{type(error).__name__}: {error}", "this should not happen; please report it")


def _move(file: Path, target: Path) -> None:
    """Whole or not at all, also onto another disk; nothing there is replaced."""
    number = 1
    place = target
    while place.exists():
        number += 1
        place = target.with_name(f"{target.stem}-{number}{target.suffix}")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place)
    except OSError:
        work = WorkPlace(place)
        try:
            shutil.copy2(file, work.path)
            work.publish(overwrite=False)
        finally:
            work.discard()
    file.unlink()
