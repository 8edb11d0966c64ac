"""How ONNX Runtime is asked for a session: with a stand-in for the module, where a GPU would be needed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from depthflow.depth import providers


class Runtime(SimpleNamespace):
    """As much of the module onnxruntime as a session needs; what was called, in order."""

    def __init__(self, has: list[str]) -> None:
        self.calls: list[str] = []
        self.chain: list[str] = []
        super().__init__(
            SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda *_: None),
            set_default_logger_severity=lambda _: None,
            get_available_providers=lambda: has,
        )
        self._has = has

    def preload_dlls(self) -> None:
        self.calls.append("preload")
        print("Failed to load libcudnn.so.9")  # as the real one does where it is missing

    def InferenceSession(self, path: str, options: Any, providers: list[Any], **_: Any) -> Any:
        self.calls.append("session")
        self.chain = [name for name, _ in providers]
        return SimpleNamespace(get_providers=lambda: [name for name in self.chain if name in self._has])


def runtime(monkeypatch: pytest.MonkeyPatch, *names: str) -> Runtime:
    fake = Runtime([providers.ORT_NAMES[name] for name in names])
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)  # type: ignore[arg-type]
    return fake


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_cuda_libraries_are_loaded_before_the_first_session(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], provider: str
) -> None:
    fake = runtime(monkeypatch, "tensorrt", "cuda", "cpu")
    providers.open_session(Path("m.onnx"), provider)
    assert fake.calls == ["preload", "session"]
    assert capsys.readouterr().out == ""
    assert fake.chain[-1] == providers.ORT_NAMES["cpu"]


def test_the_cpu_needs_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = runtime(monkeypatch, "cuda", "cpu")
    providers.open_session(Path("m.onnx"), "cpu")
    assert fake.calls == ["session"]


def test_an_older_runtime_without_that_call_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = runtime(monkeypatch, "cuda", "cpu")
    monkeypatch.delattr(Runtime, "preload_dlls")
    providers.open_session(Path("m.onnx"), "cuda")
    assert fake.calls == ["session"]


def test_falling_to_the_cpu_in_silence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime(monkeypatch, "cpu")
    with pytest.raises(RuntimeError, match="cuda could not be started"):
        providers.open_session(Path("m.onnx"), "cuda")
