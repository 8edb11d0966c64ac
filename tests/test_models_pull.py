"""`depthflow models pull` against a hub on the loopback that breaks off, lies, refuses and forgets."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from depth_networks import save_network
from running import Done, depthflow, listing, refused

from depthflow.depth import hub as fetching
from depthflow.depth.registry import load_registry
from depthflow.errors import Cancelled, SystemError_
from depthflow.progress import CancelToken

if not os.environ.get("CI"):
    pytest.importorskip("huggingface_hub", reason="fetching needs huggingface_hub: install depthflow-studio[hub]")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO, FILE = "someone/depth", "onnx/model.onnx"
BLOCK = fetching._BLOCK
"""What is written at once: what of the last one has come is lost."""
HALF = BLOCK + 1000


class Hub:
    """One repository with one file; what goes wrong is set by the test."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag = hashlib.sha256(body).hexdigest()
        self.served = body
        """What really comes, if it is not what was announced."""
        self.break_after: int | None = None
        """Bytes of the next answer, after which the server hangs up; from then on it refuses to serve."""
        self.broken = False
        self.status = 200
        self.ignore_range = False
        self.gets: list[str] = []
        """The Range header of each GET of the file, in order."""
        self.extra = FILE
        """Another file that is served, with the same bytes."""
        self.storage = ""
        """Another server, to which each GET is sent."""
        self.tokens: list[str | None] = []
        """The Authorization header of each request."""
        self.others: list[str] = []
        """What else was asked for."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                outer.tokens.append(self.headers.get("Authorization"))
                self.facts(outer.status, len(outer.body))

            def do_GET(self) -> None:
                outer.tokens.append(self.headers.get("Authorization"))
                if outer.storage:
                    self.facts(302, 0, Location=outer.storage + self.path)
                    return
                if self.path.partition(f"/resolve/{COMMIT}/")[2] not in (FILE, outer.extra):
                    outer.others.append(self.path)
                    self.facts(404, 0)
                    return
                outer.gets.append(self.headers.get("Range", ""))
                if outer.broken:
                    self.facts(503, 0)
                    return
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = int(asked[1]) if asked and not outer.ignore_range else 0
                data = outer.served[start:]
                if start:
                    self.facts(
                        206, len(data), Content_Range=f"bytes {start}-{len(outer.served) - 1}/{len(outer.served)}"
                    )
                else:
                    self.facts(outer.status, len(data))
                if outer.break_after is not None:
                    self.wfile.write(data[: outer.break_after])
                    self.wfile.flush()
                    outer.broken, self.close_connection = True, True
                    return
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def facts(self, status: int, length: int, **more: str) -> None:
                self.send_response(status)
                if status == 404:
                    self.send_header("X-Error-Code", "EntryNotFound")
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{outer.etag}"', "Content-Length": str(length)}
                for name, value in (headers | more).items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hung up, as it may
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def mend(self) -> None:
        self.broken, self.break_after = False, None
        self.gets.clear()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A depth network of 1.6 MB; most of it says nothing."""
    file = save_network(tmp_path_factory.mktemp("network") / "m.onnx", gain=-1.0)
    model = onnx.load(str(file))
    model.metadata_props.add(key="ballast", value=np.random.default_rng(1).bytes(800_000).hex())
    return model.SerializeToString()


@pytest.fixture
def hub(network: bytes) -> Iterator[Hub]:
    running = Hub(network)
    yield running
    running.close()


Info = Callable[[], Any]
"""Gives the entry `distant` as the registry has it now."""


@pytest.fixture
def here(hub: Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> Info:
    """For tests within this process, whose huggingface_hub is led to the test's server."""
    import huggingface_hub

    # The library reads HF_ENDPOINT once, when it is imported.
    hf_hub_url: Callable[..., str] = huggingface_hub.hf_hub_url
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", lambda *a, **k: hf_hub_url(*a, **k, endpoint=hub.url))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    return lambda: load_registry()["distant"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of this test alone; its own registry knows the model `distant`."""
    for name in ("config", "cache", "models"):
        monkeypatch.setenv(f"DEPTHFLOW_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    entry(tmp_path)
    return tmp_path


def entry(place: Path, **keys: str) -> None:
    """Write the user's registry; values are TOML."""
    usual = {"hub": f'{{ repo = "{REPO}", file = "{FILE}" }}', "licence": '"MIT"', "commercial_use": '"yes"'}
    lines = [
        "[models.distant]",
        'source = "huggingface"',
        *(f"{key} = {value}" for key, value in (usual | keys).items()),
    ]
    (place / "config").mkdir(exist_ok=True)
    (place / "config" / "models.toml").write_text("\n".join(lines))


def pull(hub: Hub, place: Path, *more: str, **env: str) -> Done:
    quiet = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), "")
    return depthflow("models", "pull", "distant", *more, cwd=place, **({"HF_ENDPOINT": hub.url, **quiet} | env))


def target(place: Path) -> Path:
    return place / "models" / "distant" / FILE


def parts(place: Path) -> list[Path]:
    return [path for path in (place / "models").rglob("*.part") if path.is_file()]


def test_a_whole_file_comes_and_is_written_down(hub: Hub, place: Path) -> None:
    done = pull(hub, place)
    assert done.code == 0, done
    assert "licence MIT, commercial use: yes" in done.err
    assert "ran on cpu" in done.err
    assert target(place).read_bytes() == hub.body
    known = load_registry()["distant"]
    assert known.hub is not None
    assert (known.sha256, known.hub.revision) == (hub.etag, COMMIT)
    written = tomllib.loads((place / "models/distant/entry.toml").read_text())["pulled"]["distant"]
    assert written["repo"] == REPO
    assert hub.others == []
    assert {Path(name).name for name in listing(place / "models")} == {"distant", "onnx", "model.onnx", "entry.toml"}
    photo = place / "photo.png"
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(photo)
    used = depthflow("depth", photo, "--model", "distant", "--json", cwd=place)
    assert used.event("done")["model"] == "distant"


def test_what_is_here_is_not_fetched_again(hub: Hub, here: Info) -> None:
    fetching.pull(here())
    fetching.pull(here())
    assert hub.gets == [""]
    fetching.pull(here(), again=True)
    assert hub.gets == ["", ""]


def test_an_interrupted_download_is_never_used_and_goes_on(hub: Hub, place: Path) -> None:
    hub.break_after = HALF
    said = refused(pull(hub, place), 4, REPO, "503")
    assert "depthflow models pull distant" in said
    assert not target(place).exists()
    assert not load_registry()["distant"].available()
    (part,) = parts(place)
    assert part.read_bytes() == hub.body[:BLOCK]
    refused(depthflow("depth", "x.png", "--model", "distant", cwd=place), 3)

    hub.mend()
    assert pull(hub, place).code == 0
    assert hub.gets == [f"bytes={BLOCK}-"]
    assert target(place).read_bytes() == hub.body
    assert parts(place) == []


def interrupted(hub: Hub, here: Info) -> None:
    """Half of the file has come."""
    hub.break_after = HALF
    failed(here())
    hub.mend()


def failed(info: Any, *parts: str) -> None:
    """It cannot be fetched, for a reason that is told, and a way out."""
    with pytest.raises(SystemError_) as caught:
        fetching.pull(info)
    for part in parts:
        assert part in caught.value.message + caught.value.hint
    assert caught.value.hint
    assert not info.available()


def test_a_server_without_ranges_begins_anew(hub: Hub, here: Info, place: Path) -> None:
    interrupted(hub, here)
    hub.ignore_range = True
    fetching.pull(here())
    assert target(place).read_bytes() == hub.body


def test_a_damaged_half_is_thrown_away(hub: Hub, here: Info, place: Path) -> None:
    interrupted(hub, here)
    (part,) = parts(place)
    part.write_bytes(bytes(BLOCK))
    failed(here(), "SHA-256", "thrown away")
    assert parts(place) == []
    fetching.pull(here())


def test_two_versions_are_never_pasted_together(hub: Hub, here: Info, place: Path) -> None:
    interrupted(hub, here)
    hub.body = hub.served = hub.body[::-1]
    hub.etag = hashlib.sha256(hub.body).hexdigest()
    fetching.pull(here())
    assert hub.gets == [""]
    assert target(place).read_bytes() == hub.body


def test_other_bytes_than_announced(hub: Hub, here: Info, place: Path) -> None:
    hub.served = bytes(len(hub.body))
    failed(here(), "SHA-256", hub.etag[:12])
    assert parts(place) == []


def test_another_file_than_the_registry_names(hub: Hub, here: Info, place: Path) -> None:
    entry(place, sha256=f'"{"ab" * 32}"')
    failed(here(), "not the file of the registry", "abababababab")
    assert hub.gets == []


def test_a_file_that_has_gone(hub: Hub, place: Path) -> None:
    hub.status = 404
    refused(pull(hub, place), 4, REPO, FILE, "models.toml")
    assert not (place / "models").exists()


def test_nobody_answers(hub: Hub, place: Path) -> None:
    hub.close()
    refused(pull(hub, place), 4, REPO, "try again")


def test_offline(hub: Hub, place: Path) -> None:
    refused(pull(hub, place, HF_HUB_OFFLINE="1"), 4, "HF_HUB_OFFLINE", "unset it")
    assert hub.gets == []


def test_offline_with_the_file_here(hub: Hub, here: Info, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetching.pull(here())
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetching.pull(here()).sha256 == hub.etag
    with pytest.raises(SystemError_, match="HF_HUB_OFFLINE"):
        fetching.pull(here(), again=True)
    entry(place, sha256=f'"{"ab" * 32}"')
    with pytest.raises(SystemError_, match="HF_HUB_OFFLINE"):
        fetching.pull(here())


def test_a_login_is_shown_to_the_hub_and_not_to_its_storage(
    hub: Hub, here: Info, place: Path, network: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    storage = Hub(network)
    try:
        hub.storage = storage.url
        fetching.pull(here())
    finally:
        storage.close()
    assert target(place).read_bytes() == network
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert storage.tokens == [None]


def test_a_full_disk(hub: Hub, here: Info, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_MODELS_DIR", str(tiny_disk))
    failed(here(), "MB are free", "DEPTHFLOW_MODELS_DIR")
    assert hub.gets == []


def test_a_disk_that_fills_meanwhile(hub: Hub, here: Info, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_MODELS_DIR", str(tiny_disk))
    monkeypatch.setattr(fetching, "_ROOM", -(2**30))
    failed(here(), "No space left", "make room")
    assert [part.stat().st_size for part in tiny_disk.rglob("*.part") if part.is_file()] == [0]


def test_a_folder_that_cannot_be_written(hub: Hub, here: Info, place: Path) -> None:
    (place / "models").write_text("a file, not a folder")
    failed(here(), str(place / "models"), "DEPTHFLOW_MODELS_DIR")


def test_progress_and_cancelling(hub: Hub, here: Info, place: Path) -> None:
    token, told = CancelToken(), []

    def report(file: str, done: int, total: int | None) -> None:
        told.append((file, done, total))

    fetching.pull(here(), report=report)
    assert told[-1] == (FILE, len(hub.body), len(hub.body))
    token.cancel()
    with pytest.raises(Cancelled):
        fetching.pull(here(), cancel=token, again=True)
    assert target(place).read_bytes() == hub.body


def test_one_process_at_a_time(hub: Hub, here: Info) -> None:
    import filelock

    (here().folder / ".part").mkdir(parents=True)
    with filelock.FileLock(here().folder / ".part" / "model.onnx.lock"):
        failed(here(), "another process")


def test_weights_beside_the_network_come_too(hub: Hub, here: Info, place: Path) -> None:
    extra = "onnx/model.onnx_data"
    entry(place, hub=f'{{ repo = "{REPO}", file = "{FILE}", extra_files = ["{extra}"] }}')
    hub.extra = extra
    fetching.pull(here())
    assert here().available()
    (target(place).parent / "model.onnx_data").unlink()
    assert not here().available()


def test_a_licence_that_forbids_trade_needs_a_yes(hub: Hub, place: Path) -> None:
    entry(place, licence='"CC-BY-NC-4.0"', commercial_use='"no"')
    refused(pull(hub, place), 2, "CC-BY-NC-4.0", "--accept-licence")
    assert hub.gets == []
    assert pull(hub, place, "--accept-licence").code == 0


def test_without_the_library_the_install_command_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "block").mkdir()
    (place / "block" / "huggingface_hub.py").write_text("raise ModuleNotFoundError('No module named huggingface_hub')")
    path = os.pathsep.join([str(place / "block"), os.environ.get("PYTHONPATH", "")])
    done = depthflow("models", "pull", "distant", cwd=place, PYTHONPATH=path)
    refused(done, 4, "huggingface_hub is not installed", "pip install 'depthflow-studio[hub]'")


def test_other_sources_are_no_downloads() -> None:
    for name in ("builtin", "zoedepth-nyu-kitti"):
        with pytest.raises(ValueError, match="not fetched from a hub"):
            fetching.pull(load_registry()[name])
