"""Numbers as text."""

import pytest

from qfin.reporting import numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.percent(0.02106), "2.11%"),
        (numbers.percent(-0.02104), "−2.10%"),
        (numbers.percent(None), "–"),
        (numbers.fixed(-1234.5678, 2), "−1,234.57"),
        (numbers.fixed(-0.0004, 3), "0.000"),
        (numbers.fixed(None, 3), "–"),
        (numbers.signed(0.01234, 3), "+0.012"),
        (numbers.signed(-0.01234, 3), "−0.012"),
        (numbers.signed(0.0001, 3), "0.000"),
        (numbers.signed(-0.0001, 3), "0.000"),
        (numbers.signed(None, 3), "–"),
        (numbers.count(1234567), "1,234,567"),
        (numbers.count(None), "–"),
        (numbers.with_error(2.7, 0.1334), "2.700 ± 0.133"),
        (numbers.with_error(2.7, None), "2.700"),
        (numbers.with_error(None, None), "–"),
        (numbers.interval(-0.002, 0.0279, 3), "[−0.002, +0.028]"),
        (numbers.interval(None, 0.1, 3), ""),
        (numbers.seconds(0.04), "0.0 s"),
        (numbers.seconds(41.7), "42 s"),
        (numbers.seconds(133.4), "2 min 13 s"),
        (numbers.seconds(179.6), "3 min 00 s"),
        (numbers.seconds(None), "–"),
        (numbers.plural(1, "day"), "1 day"),
        (numbers.plural(3018, "day"), "3,018 days"),
    ],
)
def test_numbers_read_as_analysts_write_them(text: str, expected: str) -> None:
    assert text == expected
