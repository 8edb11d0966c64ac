"""All keys of the interface, collected from the bindings, and what is wrong with a user's own. It binds none."""

from __future__ import annotations

import difflib
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen

EVERYWHERE = "app"


@dataclass(frozen=True, slots=True)
class Key:
    """One binding that has an id.

    Attributes:
        id: such as "queue.pause"; its first part names the place, "app" and "go" hold everywhere.
        keys: as Textual writes them, with commas between.
        text: what it does.
        owner: class that has it.
        base: where it holds: "app", "screen", "modal" or "widget". What holds closer to the cursor wins.
    """

    id: str
    keys: tuple[str, ...]
    text: str
    owner: type[DOMNode]
    base: str

    @property
    def shown(self) -> str:
        """The keys for people."""
        return ", ".join(_shown(key) for key in self.keys)


def all_keys() -> list[Key]:
    """Every binding with an id of every class of the interface, in the order of their ids."""
    found: dict[tuple[type, str], Key] = {}
    for owner in _owners():
        for given in vars(owner).get("BINDINGS", ()):
            if isinstance(given, Binding) and given.id:
                names = tuple(binding.key for binding in Binding.make_bindings([given]))
                text = given.description or given.tooltip
                found[owner, given.id] = Key(given.id, names, text, owner, _base(owner))
    return sorted(found.values(), key=lambda key: key.id)


def without_id() -> list[tuple[str, str]]:
    """(class, key) of bindings that nobody can remap."""
    return [
        (owner.__name__, binding.key)
        for owner in _owners()
        for binding in Binding.make_bindings(vars(owner).get("BINDINGS", ()))
        if not binding.id
    ]


def problems(wanted: Mapping[str, str], keys: Iterable[Key] | None = None) -> dict[str, tuple[str, str]]:
    """What is wrong with a user's keys: id -> (message, hint). The others can be used."""
    keys = list(all_keys() if keys is None else keys)
    known = {key.id: key for key in keys}
    found: dict[str, tuple[str, str]] = {}
    for name, text in wanted.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            found[name] = f"keys: {name}: there is no such action", f"{hint}depthflow tui --keys lists all"
        elif not all(part.strip() for part in text.split(",")):
            found[name] = f"keys: {name}: {text!r} names no key", "such as f9, ctrl+n, space, or a, b for two keys"
    used = {name: split(text) for name, text in wanted.items() if name not in found}
    where: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        for name in used.get(key.id, key.keys):
            where[name].append(key.id)
    for name in used:
        others = [
            (key, other)
            for key in used[name]
            for other in where[key]
            if other != name and _meet(known[name], known[other])
        ]
        if others:
            taken, other = others[0]
            found[name] = (
                f"keys: {name}: {_shown(taken)} is {other} already",
                f"give {other} another key too, or choose one",
            )
    return found


def clashes(keys: Iterable[Key] | None = None) -> list[tuple[str, str, str]]:
    """(key, id, id) of keys that mean two things at the same place."""
    keys = list(all_keys() if keys is None else keys)
    return [
        (name, one.id, two.id)
        for number, one in enumerate(keys)
        for two in keys[number + 1 :]
        if _meet(one, two)
        for name in set(one.keys) & set(two.keys)
    ]


def split(text: str) -> tuple[str, ...]:
    """Keys as the user writes them, as Textual writes them."""
    return tuple(binding.key for binding in Binding.make_bindings([Binding(text, "nothing")]))


def _meet(one: Key, two: Key) -> bool:
    """Both can be meant at once. What a widget means hides what its screen means, so these do not clash."""
    if one.id == two.id:
        return False
    related = issubclass(one.owner, two.owner) or issubclass(two.owner, one.owner)
    return related or EVERYWHERE in (one.base, two.base)


def _base(owner: type[DOMNode]) -> str:
    if issubclass(owner, App):
        return EVERYWHERE
    if issubclass(owner, ModalScreen):
        return "modal"
    return "screen" if issubclass(owner, Screen) else "widget"


def _owners() -> list[type[DOMNode]]:
    import depthflow.tui

    owners: dict[type[DOMNode], None] = {}
    for info in pkgutil.walk_packages(depthflow.tui.__path__, f"{depthflow.tui.__name__}."):
        module = import_module(info.name)
        for _, one in inspect.getmembers(module, inspect.isclass):
            if one.__module__ == info.name and issubclass(one, DOMNode):
                owners[one] = None
    return list(owners)


_NAMES = {"question_mark": "?", "slash": "/", "plus": "+", "minus": "-", "comma": ",", "full_stop": ".",
          "left_square_bracket": "[", "right_square_bracket": "]", "less_than_sign": "<", "greater_than_sign": ">",
          "equals_sign": "=", "asterisk": "*", "colon": ":", "semicolon": ";", "exclamation_mark": "!",
          "left_curly_bracket": "{", "right_curly_bracket": "}"}  # fmt: skip


def _shown(key: str) -> str:
    *before, last = key.split("+")
    return "+".join((*before, _NAMES.get(last, last)))
