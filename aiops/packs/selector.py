r"""Selectors as text, the way PromQL writes them.

>>> parse_selector('http_requests_total{code=~"5..", job!=""}')
Selector(metric='http_requests_total', matchers=(Matcher(label='code', op='=~', value='5..'), Matcher(label='job', op='!=', value='')))
>>> selector_text(parse_selector("up {job = 'a\"b',}"))
'up{job="a\\"b"}'
"""  # noqa: E501 - one doctest answer

from __future__ import annotations

import re
import warnings
from typing import Literal, NoReturn, cast

from aiops.errors import ConfigError
from aiops.packs._recipe import Matcher, Selector

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SPACE = re.compile(r"[ \t\r\n]*")
_OPERATOR = re.compile(r"=~|!~|!=|=")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`')
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# What Python's re takes and Prometheus' RE2 does not (first line), or each in its own way (second line).
_NOT_RE2 = re.compile(
    r"\(\?(?:[=!>(#]|<[=!]|P[=>]|-?[A-Za-z]*[aLuxU])|\\[1-9NuUZ]|(?:[*+?]|\})\+|\{,\d+\}|\{(?:\d+,)?(?:1\d{3,}|[2-9]\d{3,})"
    r"|\[\[:|\\[pPzQECGK]"
)


def parse_selector(text: str, where: str = "selector", key: str = "") -> Selector:
    """A metric name with matchers, read strictly.

    A name is required, `__name__` cannot be matched, and regular expressions must mean the same to Prometheus (RE2)
    and to Python, since pulled and pushed data go through one selector.

    Raises
    ------
    ConfigError : anything else; `where` and `key` name the place, the rule says what was expected at which column
    """
    return _Reader(text, where, key).selector()


class _Reader:
    """A cursor over the text of one selector."""

    def __init__(self, text: str, where: str, key: str) -> None:
        self.text, self.where, self.key, self.at = text, where, key, 0

    def selector(self) -> Selector:
        self._take(_SPACE)
        metric = self._take(METRIC_NAME) or self._fail("a metric name")
        self._take(_SPACE)
        matchers = self._matchers() if self._skip("{") else ()
        if self.at != len(self.text):
            self._fail("the end" if matchers else "'{' or the end")
        return Selector(metric, matchers)

    def _matchers(self) -> tuple[Matcher, ...]:
        found: list[Matcher] = []
        while not self._skip("}"):
            found.append(self._matcher())
            if not self._skip(",") and not self.text.startswith("}", self.at):
                self._fail("',' or '}'")
        return tuple(found)

    def _matcher(self) -> Matcher:
        label = self._take(LABEL_NAME) or self._fail("a label name or '}'")
        if label == "__name__":
            self._refuse("__name__ cannot be matched: the metric stands in front")
        self._take(_SPACE)
        op = self._take(_OPERATOR) or self._fail("=, !=, =~ or !~")
        self._take(_SPACE)
        quoted = self._take(_STRING) or self._fail("a quoted value")
        self._take(_SPACE)
        value = self._unquoted(quoted)
        if op in ("=~", "!~"):
            self._check_pattern(value)
        return Matcher(label, cast("Literal['=', '!=', '=~', '!~']", op), value)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _skip(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += 1
        self._take(_SPACE)
        return True

    def _unquoted(self, quoted: str) -> str:
        inner = quoted[1:-1]
        value = inner if quoted[0] == "`" else _ESCAPE.sub(self._character, inner)
        try:
            value.encode()
        except UnicodeEncodeError:
            self._refuse("a value must be valid Unicode")
        return value

    def _character(self, match: re.Match[str]) -> str:
        plain, x, u, long_u, octal, other = match.groups()
        if other is not None:
            self._refuse(f"unknown escape \\{other} (in a regular expression write the backslash twice)")
        if plain is not None:
            return _PLAIN.get(plain, plain)
        code = int(octal, 8) if octal is not None else int(x or u or long_u, 16)
        # Go reads \x80..\xff and octals as bytes, not characters; only ASCII is the same in both readings.
        if code > (0x7F if x or octal else 0x10FFFF):
            self._refuse(f"escape {match.group()} is not a character")
        return chr(code)

    def _check_pattern(self, pattern: str) -> None:
        if match := _NOT_RE2.search(pattern):
            self._refuse(f"regular expression uses {match.group()!r}, which Prometheus does not read as Python does")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "possible nested set" means Python guesses
                re.compile(pattern)
        except (re.error, RecursionError, OverflowError, Warning) as error:
            self._refuse(f"regular expression is not valid: {error}")

    def _fail(self, expected: str) -> NoReturn:
        found = repr(self.text[self.at : self.at + 12]) if self.at < len(self.text) else "the end"
        self._refuse(f"expected {expected} at column {self.at + 1}, found {found}")

    def _refuse(self, rule: str) -> NoReturn:
        raise ConfigError(self.where, self.key, f"selector {self.text[:80]!r}: {rule}")


def selector_text(selector: Selector) -> str:
    """The selector as PromQL."""
    inner = ",".join(f"{m.label}{m.op}{quoted(m.value)}" for m in selector.matchers)
    return selector.metric + (f"{{{inner}}}" if inner else "")


def quoted(value: str) -> str:
    r"""A PromQL string: nothing in it can end the string or break the query.

    >>> print(quoted('a"b\\'))
    "a\"b\\"
    """
    return '"' + "".join(_escaped(sign) for sign in value) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    # Prometheus takes a literal U+FFFD for broken UTF-8.
    if sign.isprintable() and sign != "\ufffd":
        return sign
    return f"\\U{ord(sign):08x}"
