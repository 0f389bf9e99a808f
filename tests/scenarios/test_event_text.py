"""Events as text: what they mean, and where reading stops."""

import numpy as np
import pytest

from qfin.copulas import And, Interval, Not, Or
from qfin.exceptions import InputError
from qfin.scenarios import LinearEvent, ReturnInterval, parse_event

ASSETS = ("JPM", "XOM", "CVX", "BRK", "BRK-B", "^GSPC", "EURUSD=X", "0700.HK", "M&M.NS", "and", "my fund")
INF = np.inf


def below(asset: str, level: float) -> ReturnInterval:
    return ReturnInterval(asset, upper=level)


def above(asset: str, level: float) -> ReturnInterval:
    return ReturnInterval(asset, lower=level)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("JPM < -5%", below("JPM", -0.05)),
        ("JPM<-.05", below("JPM", -0.05)),
        ("-5 % > JPM", below("JPM", -0.05)),
        ("JPM >= 1e-2", above("JPM", 0.01)),
        ("JPM < 150%", below("JPM", 1.5)),
        ("-5% < JPM < -3%", ReturnInterval("JPM", -0.05, -0.03)),
        ("-3% ≥ JPM > -5%", ReturnInterval("JPM", -0.05, -0.03)),
        ("q(JPM) < 0.01", Interval("JPM", 0.0, 0.01)),
        ("99% < q( JPM )", Interval("JPM", 0.99, 1.0)),
        ("1% < q('my fund') < .05", Interval("my fund", 0.01, 0.05)),
        ("book < -4%", LinearEvent(0.04)),
        ("book > 2%", Not(LinearEvent(-0.02))),
        ("-4% < book < -2%", And((Not(LinearEvent(0.04)), LinearEvent(0.02)))),
        (
            "JPM < -5% and (XOM < -3% or CVX < -3%)",
            And((below("JPM", -0.05), Or((below("XOM", -0.03), below("CVX", -0.03))))),
        ),
        (
            "JPM < -5% or XOM < -3% and CVX < -3%",
            Or((below("JPM", -0.05), And((below("XOM", -0.03), below("CVX", -0.03))))),
        ),
        ("not JPM < -5% AND XOM > 0", And((Not(below("JPM", -0.05)), above("XOM", 0.0)))),
        ("!(JPM < -5% | XOM > 0%)", Not(Or((below("JPM", -0.05), above("XOM", 0.0))))),
        ("BRK-B<-5%and BRK>0.02", And((below("BRK-B", -0.05), above("BRK", 0.02)))),
        ("^GSPC < -3% & EURUSD=X > 1%", And((below("^GSPC", -0.03), above("EURUSD=X", 0.01)))),
        ("0700.HK < -5% or M&M.NS < -5%", Or((below("0700.HK", -0.05), below("M&M.NS", -0.05)))),
        ("\"and\" < -5% and 'my fund' > 0", And((below("and", -0.05), above("my fund", 0.0)))),
    ],
)
def test_meaning(text: str, event: object) -> None:
    assert parse_event(text, ASSETS) == event


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 0, "expected something like"),
        ("JPM", 3, "expected < or >, received the end"),
        ("JPM <", 5, "expected an asset, q(asset), book or a number, received the end"),
        ("JPM < foo", 6, "expected an asset of the run, received 'foo'"),
        ("JPM < -5% and XOMM < 0", 14, "received 'XOMM' (did you mean XOM"),
        ("jpm < 0", 0, "did you mean JPM"),
        ("JPM < -5", 6, "expected a return such as -5% or -0.05"),
        ("JPM < -100%", 6, "expected a return above -100%"),
        ("JPM < -5% and", 13, "received the end"),
        ("(JPM < -5%", 10, "expected ')'"),
        ("JPM < -5%)", 9, "expected 'and', 'or' or the end"),
        ("JPM < -5% XOM < 0", 10, "expected 'and', 'or' or the end"),
        ("JPM == 3%", 4, "a single value has probability zero"),
        ("JPM < XOM", 0, "expected one asset"),
        ("-5% < 3%", 0, "expected one asset"),
        ("JPM < -3% < -2%", 0, "expected one asset"),
        ("-3% < JPM < -5%", 12, "expected the lower bound first"),
        ("-3% < JPM > -5%", 10, "expected both signs in one direction"),
        ("q(JPM) < 5", 9, "expected a probability between 0 and 1"),
        ("q(book) < 1%", 2, "expected an asset inside q"),
        ("q(JPM < 1%", 6, "expected ')'"),
        ("JPM < -5% , XOM", 10, "received ','"),
        ('"JPM < 3%', 0, 'expected a closing "'),
    ],
)
def test_errors_point_at_the_character(text: str, place: int, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_event(text, ASSETS)
    sentence, shown, caret = str(error.value).split("\n")
    assert message in sentence
    assert f"at character {place + 1}" in sentence
    assert shown[2:] == text
    assert caret.index("^") == place + 2
