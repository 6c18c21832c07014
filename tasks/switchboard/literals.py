"""Literals and expressions over them, read and computed without ever running code (spec automate 3.4)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.switchboard.text import Filled

_DEPTH = 40

_LEXEME = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<word>[A-Za-z_][A-Za-z_0-9]*\??)
    | (?P<held>[\U000f0000-\U000ffffc])
    | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!()\[\],.+\-*/%])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "nil": None, "null": None}


class Unreadable(ValueError):
    """The text is no expression over literals, or cannot be computed."""


class _Lexeme(NamedTuple):
    kind: str
    text: str


def evaluate(filled: Filled) -> Any:
    """Compute numbers, quoted text, lists, ``true false nil``, ``== != < > <= >=``, arithmetic, ``&& || !``
    and ``x.include?(y)``.

    A value from outside inside quotes is text whatever it holds; a bare one must be a single literal.

    Raises :class:`Unreadable`.
    """
    lexemes: list[_Lexeme] = []
    at, text = 0, filled.text.rstrip()
    while at < len(text):
        match = _LEXEME.match(text, at)
        if match is None or match.lastgroup is None:
            raise Unreadable(f"unreadable at [{filled.restore(text[at : at + 40])}]")
        lexemes.append(_Lexeme(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    parser = _Parser(lexemes, filled)
    value = parser.either(0)
    if parser.at != len(lexemes):
        raise Unreadable(f"[{lexemes[parser.at].text}] is not expected there")
    return value


def _truth(value: Any) -> bool:
    return value is not None and value is not False


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("arithmetic on something that is no number")
    return value


def _divide(left: Any, right: Any) -> Any:
    return left // right if isinstance(left, int) and isinstance(right, int) else left / right


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_SUM: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub}
_PRODUCT: dict[str, Callable[[Any, Any], Any]] = {"*": operator.mul, "/": _divide, "%": operator.mod}


class _Parser:
    """Computes while it reads: nothing here has a side effect, so both sides of ``&&`` may be computed."""

    def __init__(self, lexemes: list[_Lexeme], filled: Filled) -> None:
        self._lexemes = lexemes
        self._filled = filled
        self.at = 0

    def _peek(self) -> str:
        lexeme = self._lexemes[self.at] if self.at < len(self._lexemes) else _Lexeme("end", "")
        return lexeme.text if lexeme.kind == "sign" else ""

    def _take(self) -> _Lexeme:
        if self.at >= len(self._lexemes):
            raise Unreadable("the expression ends too early")
        self.at += 1
        return self._lexemes[self.at - 1]

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise Unreadable(f"[{sign}] is missing")
        self.at += 1

    def either(self, depth: int) -> Any:
        value = self._both(depth)
        while self._peek() == "||":
            self.at += 1
            other = self._both(depth)
            value = value if _truth(value) else other
        return value

    def _both(self, depth: int) -> Any:
        value = self._comparison(depth)
        while self._peek() == "&&":
            self.at += 1
            other = self._comparison(depth)
            value = other if _truth(value) else value
        return value

    def _comparison(self, depth: int) -> Any:
        left = self._arithmetic(depth, _SUM)
        if (sign := self._peek()) not in _COMPARE:
            return left
        self.at += 1
        right = self._arithmetic(depth, _SUM)
        if sign not in ("==", "!=") and (isinstance(left, bool) or isinstance(right, bool)):
            raise Unreadable("a truth value has no order")
        try:
            return _COMPARE[sign](left, right)
        except TypeError as mistake:
            raise Unreadable("values of different kinds have no order") from mistake

    def _arithmetic(self, depth: int, signs: dict[str, Callable[[Any, Any], Any]]) -> Any:
        left = self._operand(depth, signs)
        while (sign := self._peek()) in signs:
            self.at += 1
            right = self._operand(depth, signs)
            if sign == "+" and isinstance(left, str) and isinstance(right, str):
                left = left + right
                continue
            try:
                left = signs[sign](_number(left), _number(right))
            except (ArithmeticError, ValueError) as mistake:
                raise Unreadable(str(mistake)) from mistake
        return left

    def _operand(self, depth: int, signs: dict[str, Callable[[Any, Any], Any]]) -> Any:
        return self._arithmetic(depth, _PRODUCT) if signs is _SUM else self._unary(depth)

    def _unary(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise Unreadable(f"nested more than {_DEPTH} deep")
        if self._peek() == "!":
            self.at += 1
            return not _truth(self._unary(depth + 1))
        if self._peek() == "-":
            self.at += 1
            return -_number(self._unary(depth + 1))
        value = self._primary(depth)
        while self._peek() == ".":
            self.at += 1
            if self._take() != ("word", "include?"):
                raise Unreadable("only include? may be asked of a value")
            self._expect("(")
            wanted = self.either(depth + 1)
            self._expect(")")
            if isinstance(value, str) and not isinstance(wanted, str):
                raise Unreadable("text includes text alone")
            if not isinstance(value, str | list):
                raise Unreadable("include? is asked of text and lists")
            value = wanted in value
        return value

    def _primary(self, depth: int) -> Any:
        kind, text = self._take()
        if kind == "number":
            return _literal(text)
        if kind == "text":
            return self._filled.restore(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL))
        if kind == "held":
            return _literal(self._filled.restore(text).strip())
        if kind == "word" and text in _WORDS:
            return _WORDS[text]
        if text == "(" and kind == "sign":
            value = self.either(depth + 1)
            self._expect(")")
            return value
        if text == "[" and kind == "sign":
            return self._list(depth)
        raise Unreadable(f"[{text[:40]}] is not expected there")

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while self._peek() != "]":
            if values:
                self._expect(",")
            values.append(self.either(depth + 1))
        self.at += 1
        return values


def _literal(text: str) -> Any:
    """A bare literal: a number or one of the words.

    Raises :class:`Unreadable` for anything else, a blank included.
    """
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"-?[0-9]{1,300}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,300}\.[0-9]{1,300}", text):
        return float(text)
    raise Unreadable(f"[{text[:40]}] is no literal")
