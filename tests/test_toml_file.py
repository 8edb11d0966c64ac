"""Files that people write by hand, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthflow.errors import UsageError
from depthflow.toml_file import read_toml


def test_a_mark_of_the_encoding_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes("\ufeffname = 'ü'".encode())
    assert read_toml(file, max_bytes=100, what="motion") == {"name": "ü"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: there is no such motion"),
        (b"a" * 101, "larger than 100 bytes, which no motion is"),
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b"a = ", "not valid TOML"),
        (b"a = " + b"9" * 90, None),
        (b"a = " + b"[" * 5000, "nested too deep"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, content: bytes | None, said: str | None) -> None:
    file = tmp_path / "a.toml"
    if content is not None:
        file.write_bytes(content)
    limit = 100 if content is None or len(content) < 200 else 10_000
    if said is None:
        assert read_toml(file, max_bytes=limit, what="motion")["a"] > 10**80
        return
    with pytest.raises(UsageError) as caught:
        read_toml(file, max_bytes=limit, what="motion")
    assert said in caught.value.message
    assert caught.value.message.startswith(f"{file}: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint
