"""8MB and 6M."""

import pytest

from depthflow.errors import UsageError
from depthflow.jobs.amounts import parse_bitrate, parse_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8MB", 8_000_000), ("8 mb", 8_000_000), ("8M", 8_000_000), ("5MiB", 5 << 20), ("0.5GiB", 1 << 29),
        ("700k", 700_000), ("12345", 12345), ("1.5GB", 1_500_000_000), ("20 bytes", 20),
    ],
)  # fmt: skip
def test_bytes(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "count"), [("6M", 6_000_000), ("800k", 800_000), ("2.5 Mbit/s", 2_500_000), ("900000", 900_000)]
)
def test_bit_rates(text: str, count: int) -> None:
    assert parse_bitrate(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-8MB", "8XB", "8MM", "1e6", "0", "0.1", "nan", "9" * 400, "8M/s", "６Ⅿ"])
def test_what_is_no_amount(text: str) -> None:
    for parse in (parse_bytes, parse_bitrate):
        with pytest.raises(UsageError, match="is not a") as error:
            parse(text)
        assert error.value.hint.startswith("write it as")
