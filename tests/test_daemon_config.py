"""The daemon's settings file: what it may say, and what is said about mistakes in it."""

from __future__ import annotations

import json
import plistlib
import re
import tomllib
from pathlib import Path

import pytest
from depthflow_daemon.config import DaemonSettings, host_and_port, json_schema, load, parse, sample
from running import depthflow

from depthflow.errors import UsageError
from depthflow.jobs.part import Part

DOCS = Path(__file__).parent.parent / "docs"


def keys(model: type[Part], way: str = "") -> set[str]:
    """All keys of the tables of a settings file, dotted."""
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Part):
            found |= keys(inner, f"{way}{name}.")
        else:
            found.add(f"{way}{field.alias or name}")
    return found


def test_no_file_gives_the_defaults() -> None:
    assert load().settings == DaemonSettings()


def test_the_sample_says_every_default_and_knows_every_key() -> None:
    text = sample().read_text(encoding="utf-8")
    assert load(sample()).settings == DaemonSettings()
    # With the comment marks of settings gone, every key there is stands in it, and it is allowed.
    lines = [
        line[2:] if line.startswith("# ") and (" = " in line or line[2:3] == "[") else line for line in text.split("\n")
    ]
    table = tomllib.loads("\n".join(lines))
    full = parse(table, sample())
    assert [folder.name for folder in full.folders] == ["holidays"]
    for key in keys(DaemonSettings):
        node = table
        for step in key.split("."):
            assert step in node, f"{key} is not in {sample().name}"
            node = node[step]
    assert set(table["folders"][0]) == {"name", "in", "out", "archive", "preset", "paused"}
    assert set(table["hooks"]["webhooks"][0]) | {"secret_env"} == set(
        json_schema()["$defs"]["WebhookSettings"]["properties"]
    )


def test_the_published_schema_is_the_programs() -> None:
    published = DOCS / "depthflowd.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema(), (
        "write it again: depthflow daemon config --schema > docs/depthflowd.schema.json"
    )
    folder = json_schema()["$defs"]["FolderSettings"]["properties"]
    assert folder["in"]["description"] == "Where photos are dropped, sub-folders too."


def test_paths_begin_beside_the_file_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    file = tmp_path / "etc" / "d.toml"
    file.parent.mkdir()
    file.write_text(
        'store = "q.db"\n[[folders]]\nname = "a"\nin = "~/in"\nout = "/srv/out"\n'
        '[api]\nsocket = "d.sock"\nroots = ["photos"]\n'
    )
    found = load(file).settings
    assert found.store_file == tmp_path / "etc" / "q.db"
    place = found.folders[0].place
    assert (place.root, place.output) == (tmp_path / "home" / "in", Path("/srv/out"))
    assert place.archive == Path("/srv/out/archive")
    assert found.api.socket == str(tmp_path / "etc" / "d.sock")
    assert found.api.roots == (tmp_path / "etc" / "photos",)


FOLDER = '[[folders]]\nname = "a"\nin = "x"\nout = "y"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[engine]\nwrokers = 2", "engine.wrokers: unknown key; did you mean 'workers'?"),
        (
            "[engine]\nworkers = 0",
            "engine.workers: no number of workers (got 0); write auto, or 1 to 256",
        ),
        ('[engine]\nworkers = "2"', "engine.workers: no number of workers (got '2'); write auto, or"),
        ('[engine]\nmemory_limit = "much"', "engine.memory_limit: no amount of memory (got 'much'); write auto, none"),
        (FOLDER + 'preset = "vertiko"', "folders.0 (a): unknown preset 'vertiko'; did you mean 'vertigo'?"),
        (FOLDER + FOLDER.replace('"x"', '"z"'), "two of them are called 'a'; give each"),
        (FOLDER + FOLDER.replace('"a"', '"b"').replace('"x"', '"x/deep"'), "'b' and 'a' watch the same photos"),
        (FOLDER.replace('"y"', '"x"'), "results would lie among the photos"),
        (FOLDER.replace('"a"', '"a/b"'), "folders.0.name: no name (got 'a/b'); up to 64 letters"),
        ('[[folders]]\nname = "a"\nin = "x"', "folders.0.out: field required"),
        ('[folders]\nname = "a"', "folders: a list is expected; write each as [[folders]]"),
        ('[api]\nlisten = "8000"', "api.listen: '8000' is no HOST:PORT; write it as 127.0.0.1:8380"),
        ('[hooks]\nafter_job = "rm -rf /"', "hooks.after_job: a list is expected (got 'rm -rf /'); write program and"),
        ('[[hooks.webhooks]]\nurl = "ftp://x"', "hooks.webhooks.0.url: no web address (got 'ftp://x'); write it as"),
        ('[logs]\nformat = "jsno"', "logs.format: input should be 'text' or 'json' (got 'jsno'); did you mean 'json'?"),
        ("[logs\n", "d.toml:1: not valid TOML"),
    ],
)
def test_mistakes_are_said_with_file_key_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "d.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(file)
    assert str(file) in caught.value.message
    assert said in f"{caught.value.message}; {caught.value.hint}"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file") as caught:
        load(tmp_path / "none.toml")
    assert "depthflow daemon config" in caught.value.hint


def test_addresses() -> None:
    assert host_and_port("[::1]:80") == ("::1", 80)
    assert host_and_port("example.org:8380") == ("example.org", 8380)
    for wrong in ("::1:80", "host:99999", "host", ":80", "ho st:1"):
        with pytest.raises(UsageError):
            host_and_port(wrong)


def test_the_command_writes_a_sample_checks_a_file_and_prints_the_schema(tmp_path: Path) -> None:
    text = depthflow("daemon", "config", cwd=tmp_path).out
    file = tmp_path / "d.toml"
    file.write_text(text.replace('workers = "auto"', "workers = 4"))
    assert load(file).settings.engine.workers == 4
    done = depthflow("daemon", "config", "--check", "d.toml", cwd=tmp_path)
    assert (done.code, done.out) == (0, "d.toml is valid; 0 watched folders\n")
    file.write_text(text.replace('workers = "auto"', "workers = 0"))
    done = depthflow("daemon", "config", "--check", "d.toml", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: d.toml: engine.workers: ")
    assert json.loads(depthflow("daemon", "config", "--schema", cwd=tmp_path).out) == json_schema()


def test_what_the_docs_say_to_write_is_allowed() -> None:
    text = (DOCS / "daemon.md").read_text(encoding="utf-8")
    (hooks,) = [block for block in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL) if "[hooks]" in block]
    settings = parse(tomllib.loads(hooks), DOCS / "daemon.md").hooks
    assert settings.after_job == ("/usr/local/bin/publish", "--quiet")
    assert settings.webhooks[0].events == ("after-job", "folder-drained")
    (plist,) = re.findall(r"```xml\n(.*?)```", text, flags=re.DOTALL)
    assert plistlib.loads(plist.encode())["Label"] == "depthflowd"
