"""Events as people write them: "JPM < -5% and (XOM < -3% or CVX < -3%)".

    event      := both ("or" both)*
    both       := one ("and" one)*
    one        := "not" one | "(" event ")" | comparison
    comparison := value ("<" | "<=" | ">" | ">=") value, or three values with two signs in one direction
    value      := number | asset | q(asset) | book

A number is a simple return, −5% or −0.05; beside q(…) it is a probability. `book` is the return of the equal-weight
book. Names that clash with a word, or hold a space, stand in quotes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

import numpy as np

from qfin.copulas import And, Event, Interval, Not, Or
from qfin.exceptions import InputError
from qfin.scenarios.return_events import LinearEvent, ReturnInterval

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(\s*%)?")
_NAME = re.compile(r"[^\s<>()\"'&|!,]+")
_SIGN = re.compile(r"<=|>=|==|!=|<|>|=|≤|≥")
_WORDS = {"and": "and", "or": "or", "not": "not", "&": "and", "&&": "and", "|": "or", "||": "or", "!": "not"}
_UP, _DOWN = ("<", "<=", "≤"), (">", ">=", "≥")


def parse_event(text: str, assets: Sequence[str]) -> Event:
    """The event that `text` describes, for assets of these names.

    Raises
    ------
    InputError
        With the text and a caret under the character where reading stopped.
    """
    return _Parser(text, tuple(assets)).whole()


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, quoted, sign, word, bracket, end
    text: str
    place: int
    number: float = 0.0
    percent: bool = False


@dataclass(frozen=True)
class _Subject:
    """What a comparison is about: an asset's return or quantile, or the book's return (asset None)."""

    asset: str | None
    quantile: bool


class _Parser:
    def __init__(self, text: str, assets: tuple[str, ...]) -> None:
        self._text = text
        self._assets = assets
        # Longest first, so that BRK-B is not read as BRK.
        self._by_length = sorted(assets, key=len, reverse=True)
        self._tokens = self._read()
        self._next = 0

    def whole(self) -> Event:
        if self._token.kind == "end":
            self._fail('expected something like "AAPL < -5%"')
        event = self._either()
        if self._token.kind != "end":
            self._fail("expected 'and', 'or' or the end")
        return event

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _is(self, kind: str, text: str) -> bool:
        return self._token.kind == kind and self._token.text == text

    def _fail(self, expected: str, token: _Token | None = None) -> NoReturn:
        where = self._token if token is None else token
        received = "the end" if where.kind == "end" else repr(where.text)
        self._fail_at(where.place, f"{expected}, received {received}")

    def _fail_at(self, place: int, sentence: str) -> NoReturn:
        raise InputError(f"event: {sentence} at character {place + 1}\n  {self._text}\n  {' ' * place}^")

    def _read(self) -> list[_Token]:
        tokens: list[_Token] = []
        place = 0
        while place < len(self._text):
            if self._text[place].isspace():
                place += 1
                continue
            tokens.append(self._token_at(place))
            place += len(tokens[-1].text)
        return [*tokens, _Token("end", "", len(self._text))]

    def _token_at(self, place: int) -> _Token:
        character = self._text[place]
        if character in "()":
            return _Token("bracket", character, place)
        if character in "\"'":
            closing = self._text.find(character, place + 1)
            if closing < 0:
                self._fail_at(place, f"expected a closing {character}, received none")
            return _Token("quoted", self._text[place : closing + 1], place)
        if sign := _SIGN.match(self._text, place):
            return _Token("sign", sign.group(), place)
        for symbol in ("&&", "||", "&", "|", "!"):
            if self._text.startswith(symbol, place):
                return _Token("word", symbol, place)
        return self._name_or_number_at(place)

    def _name_or_number_at(self, place: int) -> _Token:
        known = next((name for name in self._by_length if self._stands_at(name, place)), None)
        if known is not None:
            return _Token("name", known, place)
        number = _NUMBER.match(self._text, place)
        percent = number is not None and number.group(3) is not None
        if number is not None and (percent or not _is_name_part(self._text[number.end() : number.end() + 1])):
            value = float(number.group().rstrip("% \t")) / (100.0 if percent else 1.0)
            return _Token("number", number.group(), place, value, percent)
        name = _NAME.match(self._text, place)
        if name is None:
            self._fail_at(place, f"expected an asset, a number or a bracket, received {self._text[place]!r}")
        word = name.group()
        return _Token("word" if word.lower() in _WORDS else "name", word, place)

    def _stands_at(self, name: str, place: int) -> bool:
        """Whether this asset's name stands here, and no longer word does."""
        if not self._text.startswith(name, place) or name.lower() in _WORDS or name in ("q", "book"):
            return False
        return not _is_name_part(self._text[place + len(name) : place + len(name) + 1])

    def _word(self, word: str) -> bool:
        return self._token.kind == "word" and _WORDS[self._token.text.lower()] == word

    def _either(self) -> Event:
        parts = [self._both()]
        while self._word("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Event:
        parts = [self._one()]
        while self._word("and"):
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Event:
        if self._word("not"):
            self._take()
            return Not(self._one())
        if self._is("bracket", "("):
            self._take()
            event = self._either()
            if not self._is("bracket", ")"):
                self._fail("expected ')'")
            self._take()
            return event
        return self._comparison()

    def _comparison(self) -> Event:
        start = self._token
        values: list[_Token | _Subject] = [self._value()]
        signs: list[_Token] = []
        while self._token.kind == "sign" and len(signs) < 2:
            signs.append(self._sign())
            values.append(self._value())
        if not signs:
            self._fail("expected < or >")
        subjects = [value for value in values if isinstance(value, _Subject)]
        if len(subjects) != 1 or (len(values) == 3 and not isinstance(values[1], _Subject)):
            self._fail_at(start.place, "expected one asset, q(asset) or book beside numbers, as in -5% < JPM < -3%")
        rising = signs[0].text in _UP
        if len(signs) == 2 and rising != (signs[1].text in _UP):
            self._fail("expected both signs in one direction", signs[1])
        ordered = values if rising else values[::-1]
        place = ordered.index(subjects[0])
        below = [value for value in ordered[:place] if isinstance(value, _Token)]
        above = [value for value in ordered[place + 1 :] if isinstance(value, _Token)]
        return self._event(subjects[0], below[0] if below else None, above[0] if above else None)

    def _sign(self) -> _Token:
        if self._token.text not in _UP + _DOWN:
            self._fail("expected <, <=, > or >= (a single value has probability zero)")
        return self._take()

    def _value(self) -> _Token | _Subject:
        token = self._take()
        if token.kind == "number":
            return token
        if token.kind == "quoted":
            return _Subject(self._asset(token, token.text[1:-1]), False)
        if token.kind != "name":
            self._fail("expected an asset, q(asset), book or a number", token)
        if token.text == "book":
            return _Subject(None, False)
        if token.text == "q" and self._is("bracket", "("):
            return self._quantile()
        return _Subject(self._asset(token, token.text), False)

    def _quantile(self) -> _Subject:
        self._take()
        token = self._take()
        if token.kind not in ("name", "quoted") or token.text == "book":
            self._fail("expected an asset inside q(…)", token)
        asset = self._asset(token, token.text[1:-1] if token.kind == "quoted" else token.text)
        if not self._is("bracket", ")"):
            self._fail("expected ')'")
        self._take()
        return _Subject(asset, True)

    def _asset(self, token: _Token, name: str) -> str:
        if name in self._assets:
            return name
        by_lower_case = {asset.lower(): asset for asset in self._assets}
        near = get_close_matches(name.lower(), by_lower_case, n=3)
        hint = f" (did you mean {' or '.join(by_lower_case[key] for key in near)}?)" if near else ""
        self._fail_at(token.place, f"expected an asset of the run, received {name!r}{hint}")

    def _event(self, subject: _Subject, below: _Token | None, above: _Token | None) -> Event:
        if below is not None and above is not None and below.number >= above.number:
            self._fail("expected the lower bound first", above)
        ends = [None if token is None else self._level(token, subject) for token in (below, above)]
        lower, upper = ends
        if subject.asset is None:
            parts: list[Event] = [] if lower is None else [Not(LinearEvent(-lower))]
            parts += [] if upper is None else [LinearEvent(-upper)]
            return parts[0] if len(parts) == 1 else And(tuple(parts))
        if subject.quantile:
            return Interval(subject.asset, 0.0 if lower is None else lower, 1.0 if upper is None else upper)
        return ReturnInterval(subject.asset, -np.inf if lower is None else lower, np.inf if upper is None else upper)

    def _level(self, token: _Token, subject: _Subject) -> float:
        if subject.quantile:
            if not 0.0 < token.number < 1.0:
                self._fail("expected a probability between 0 and 1", token)
        elif not token.percent and abs(token.number) >= 1.0:
            self._fail(f"expected a return such as {token.text}% or {token.number / 100:g}", token)
        elif token.number <= -1.0:
            self._fail("expected a return above -100%", token)
        return token.number


def _is_name_part(character: str) -> bool:
    return bool(character) and (character.isalnum() or character in "._^-=$#@*/")
