"""TOML edited as text: it says exactly what was wanted, and what was not touched stays as it was."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from depthflow.errors import UsageError
from depthflow.toml_edit import add_item, change_item, line_of, remove_item, set_keys

FILE = '''# mine, all of it
drain_seconds = 30.0   # not long

# the family
[[folders]]
name = "home"   # short
# drop them here
in = "~/drop"
out = '~/videos'

# the shop
  [[folders]]
  name = "shop"
  in = "/srv/in"   # a share
  out = """/srv/out"""

# how it runs
[engine]
workers = 2

[hooks]
after_job = [
  "/bin/tell",   # [[folders]] in a remark
  "[[folders]]",
]
'''


def test_an_item_is_added_behind_the_last_one() -> None:
    edited = add_item(FILE, "folders", {"name": "new", "in": "/a b", "out": "/ö"})
    start, end = edited.split('[[folders]]\nname = "new"\nin = "/a b"\nout = "/ö"\n')
    assert start + end == FILE.replace('out = """/srv/out"""\n', 'out = """/srv/out"""\n\n')
    assert [each["name"] for each in tomllib.loads(edited)["folders"]] == ["home", "shop", "new"]


def test_the_first_item_is_added_where_the_sample_shows_one_and_else_at_the_end() -> None:
    sample = 'a = 1\n\n# One [[folders]] each.\n# [[folders]]\n# name = "x"\n\n[engine]\nworkers = 1\n'
    edited = add_item(sample, "folders", {"name": "n"})
    assert edited == sample.replace("\n[engine]", '\n[[folders]]\nname = "n"\n\n[engine]')
    # Behind this comment stands a key of the top, which must not become the item's.
    sample = "# [[folders]]\n\nb = 2\n[engine]\n"
    assert add_item(sample, "folders", {"name": "n"}) == sample + '\n[[folders]]\nname = "n"\n'
    assert add_item("", "folders", {"name": "n"}) == '[[folders]]\nname = "n"\n'


def test_values_are_changed_in_their_lines() -> None:
    edited = change_item(FILE, "folders", 1, {"in": "/srv/new", "out": None, "preset": "orbital"})
    wanted = FILE.replace('"/srv/in"   # a share', '"/srv/new"   # a share')
    wanted = wanted.replace('  out = """/srv/out"""\n', '  preset = "orbital"\n')
    assert edited == wanted


def test_an_item_goes_and_the_remarks_around_it_stay() -> None:
    assert remove_item(FILE, "folders", 0) == FILE.replace(
        '[[folders]]\nname = "home"   # short\n# drop them here\nin = "~/drop"\nout = \'~/videos\'\n', ""
    )
    none = remove_item(remove_item(FILE, "folders", 0), "folders", 0)
    assert "folders" not in tomllib.loads(none)
    for remark in ("# mine, all of it", "# the family", "# the shop", "# how it runs", "# not long"):
        assert remark in none
    only = '[[folders]]\nname = "n"\n'
    assert remove_item("a = 1\n\n" + only, "folders", 0) == "a = 1\n"
    assert remove_item(only, "folders", 0) == ""


def test_an_array_in_one_line_becomes_blocks_when_it_changes() -> None:
    text = '# top\nfolders = [{name = "a"}, {name = "b"}]   # two\nx = 1\n[engine]\nworkers = 1 # one\n'
    assert remove_item(text, "folders", 0) == '# top\nx = 1\n[engine]\nworkers = 1 # one\n\n[[folders]]\nname = "b"\n'
    assert tomllib.loads(add_item(text, "folders", {"name": "c"}))["folders"][2] == {"name": "c"}


def test_keys_of_the_top_and_of_tables() -> None:
    assert set_keys("", "", {"after": "keep"}) == 'after = "keep"\n'
    text = '# rules\n\n[settle]\nmode = "quiet"  # as ever\n'
    edited = set_keys(text, "", {"after": "archive"})
    assert edited == '# rules\n\nafter = "archive"\n\n[settle]\nmode = "quiet"  # as ever\n'
    assert set_keys(edited, "settle", {"mode": "rename", "seconds": 2.0}) == edited.replace(
        '"quiet"  # as ever\n', '"rename"  # as ever\nseconds = 2.0\n'
    )
    assert set_keys("a = 1\n", "settle", {"mode": "rename"}) == 'a = 1\n\n[settle]\nmode = "rename"\n'
    assert set_keys("a = 1\n", "settle", {"mode": None}) == "a = 1\n"
    dotted = 'settle.mode = "quiet"\nsettle.seconds = 1\n# end\n'
    assert set_keys(dotted, "settle", {"seconds": 2}) == '# end\n\n[settle]\nmode = "quiet"\nseconds = 2\n'


def test_what_cannot_be_kept_is_refused() -> None:
    # The sub-table stands apart from its item: no lines to cut without guessing.
    text = "[[f]]\nn = 1\n[g]\nx = 1\n[f.sub]\ny = 1\n"
    assert tomllib.loads(text)["f"] == [{"n": 1, "sub": {"y": 1}}]
    with pytest.raises(UsageError, match="cannot be changed from here"):
        remove_item(text, "f", 0)


@pytest.mark.parametrize(
    ("key", "line"),
    [("drain_seconds", 2), ("folders.1.in", 14), ("folders.0.nothing", 5), ("hooks.after_job", 22), ("engine", 18),
     ("nothing", None)],
)  # fmt: skip
def test_the_line_of_a_key(key: str, line: int | None) -> None:
    assert line_of(FILE, key) == line


# -- any file ------------------------------------------------------------------------------------------------------

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n#[]\"'\\=\u2028\x85"), max_size=12)
_VALUE = _TEXT | st.integers(-9, 9) | st.booleans() | st.lists(_TEXT, max_size=3)
_KEY = st.sampled_from(["name", "in", "out", "a b", "ü"])
_ITEM = st.dictionaries(_KEY, _VALUE, min_size=1, max_size=4)
_REMARK = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=15).map(lambda text: f"# {text}\n")


@st.composite
def _files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file with folders among other tables, and the remarks outside of the folders."""
    remarks: list[str] = []

    def remark() -> str:
        if not draw(st.booleans()):
            return draw(st.sampled_from(["", "\n"]))
        remarks.append(draw(_REMARK))
        return remarks[-1]

    multi = draw(st.booleans())
    parts = [remark(), tomli_w.dumps(draw(st.dictionaries(_KEY, _VALUE, max_size=3)), multiline_strings=multi)]
    for number in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            parts.append(f"[other{number}]\n" + tomli_w.dumps(draw(_ITEM), multiline_strings=multi))
        else:
            parts.append("[[folders]]\n" + tomli_w.dumps(draw(_ITEM), multiline_strings=multi))
        parts.append(remark())
    return "".join(parts), remarks


@settings(max_examples=150, deadline=None)
@given(_files(), _ITEM, st.data())
def test_any_file_says_what_was_wanted_and_keeps_its_remarks(
    file: tuple[str, list[str]], item: dict[str, Any], data: st.DataObject
) -> None:
    text, remarks = file
    before = tomllib.loads(text)
    folders: list[dict[str, Any]] = before.pop("folders", [])
    edits = [(add_item(text, "folders", item), [*folders, item])]
    if folders:
        number = data.draw(st.integers(0, len(folders) - 1))
        edits.append((remove_item(text, "folders", number), folders[:number] + folders[number + 1 :]))
        changed = [*folders[:number], folders[number] | item, *folders[number + 1 :]]
        edits.append((change_item(text, "folders", number, item), changed))
    for edited, wanted in edits:
        after = tomllib.loads(edited)
        assert after.pop("folders", []) == wanted
        assert after == before
        at = 0
        for remark in remarks:
            at = edited.index(remark, at) + len(remark)
