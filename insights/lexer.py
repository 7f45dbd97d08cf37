"""Cuts the text of a query into words, names, texts, numbers and symbols."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from insights.errors import NotInSubsetError, QueryError, Span


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    # In backticks: always a name, never a keyword.
    NAME = auto()
    TEXT = auto()
    NUMBER = auto()
    PERIOD = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True)
class Token:
    """A piece of a query; `value` is without quotes and escapes."""

    kind: Kind
    value: str
    span: Span

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, in any case."""
        return self.kind is Kind.WORD and self.value.lower() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Whether it is one of these symbols."""
        return self.kind is Kind.SYMBOL and self.value in symbols

    def __str__(self) -> str:
        return "the end of the query" if self.kind is Kind.END else f"{self.value!r}"


_BLANK: Final = re.compile(r"(?:\s+|#[^\n]*)+")
_WORD: Final = re.compile(r"@{0,2}[A-Za-z_][A-Za-z0-9_@]*(?:\.[A-Za-z0-9_@]+)*")
_NAME: Final = re.compile(r"(@{0,2})`([^`\n]+)`")
_PERIOD: Final = re.compile(r"(\d+)([A-Za-z]+)\b")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SYMBOL: Final = re.compile(r"=~|!=|<=|>=|[|,()\[\]=<>+\-*/%^]")
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'"}


class Lexer:
    """Hands out the tokens one by one; `take_regex` is for the places where a slash begins a regular expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: Token | None = None
        self._at = 0
        self.last = Span(0, 0)

    def peek(self) -> Token:
        """The next token."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def take(self) -> Token:
        """The next token, consumed."""
        token = self.peek()
        self._next = None
        self._at = token.span.end
        self.last = token.span
        return token

    def take_regex(self) -> Token:
        """The regular expression that begins at the next token, a slash."""
        start = self.peek().span.start
        match = _REGEX.match(self._text, start)
        if match is None:
            raise QueryError("this regular expression has no slash at its end", Span(start, len(self._text)))
        self._next = None
        self._at = match.end()
        self.last = Span(start, match.end())
        return Token(Kind.TEXT, match[1].replace("\\/", "/"), self.last)

    def _read(self) -> Token:
        if blank := _BLANK.match(self._text, self._at):
            self._at = blank.end()
        start = self._at
        if start == len(self._text):
            return Token(Kind.END, "", Span(start, start))
        if self._text[start] in "\"'":
            return self._quoted(start)
        if match := _NAME.match(self._text, start):
            return Token(Kind.NAME, match[1] + match[2], Span(start, match.end()))
        for kind, pattern in (
            (Kind.WORD, _WORD),
            (Kind.PERIOD, _PERIOD),
            (Kind.NUMBER, _NUMBER),
            (Kind.SYMBOL, _SYMBOL),
        ):
            if match := pattern.match(self._text, start):
                return Token(kind, match[0], Span(start, match.end()))
        raise QueryError(f"{self._text[start]!r} has no meaning here", Span(start, start + 1))

    def _quoted(self, start: int) -> Token:
        value: list[str] = []
        quote, at = self._text[start], start + 1
        while at < len(self._text):
            character = self._text[at]
            if character == quote:
                return Token(Kind.TEXT, "".join(value), Span(start, at + 1))
            if character == "\\":
                escaped = self._text[at + 1 : at + 2]
                if escaped not in _ESCAPES:
                    raise NotInSubsetError(
                        f"what CloudWatch makes of \\{escaped} in a quoted text is not documented; "
                        "here only \\\\, \\\" and \\' are known",
                        Span(at, at + 2),
                    )
                value.append(_ESCAPES[escaped])
                at += 2
                continue
            value.append(character)
            at += 1
        raise QueryError(f"this text has no {quote} at its end", Span(start, len(self._text)))
