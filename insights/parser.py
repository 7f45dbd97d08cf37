"""Reads a query: commands with pipes between them."""

from collections.abc import Callable
from typing import Final

from insights.errors import NotInSubsetError, QueryError
from insights.expressions import ExpressionReader
from insights.lexer import Kind, Token
from insights.patterns import glob_to_re2, named_groups, to_re2
from insights.syntax import (
    Column,
    Command,
    Dedup,
    Display,
    Expression,
    Extraction,
    Field,
    Fields,
    Filter,
    Limit,
    Parse,
    Sort,
    SortKey,
    Stats,
)

# Commands of CloudWatch's documentation, in lower case, that are not translated here.
_ELSEWHERE: Final = frozenset(
    {
        *("anomaly", "countfrequent", "count_frequent", "diff", "fieldsummary", "filterindex", "head", "join"),
        *("lookup", "pattern", "source", "tail", "unmask", "unnest"),
    }
)
LIMIT_MAX: Final = 100_000


def read_commands(text: str) -> tuple[Command, ...]:
    """The commands of a query. Raises `QueryError`."""
    return _Reader(text).commands()


class _Reader(ExpressionReader):
    def commands(self) -> tuple[Command, ...]:
        if (first := self.lexer.peek()).kind is Kind.END:
            raise QueryError("the query is empty; begin with a command such as fields or filter", first.span)
        read = [self._command()]
        while (token := self.lexer.take()).kind is not Kind.END:
            if not token.is_symbol("|"):
                raise self.unexpected(token, "a pipe and the next command, or the end,")
            read.append(self._command())
        return tuple(read)

    def _command(self) -> Command:
        name = self.lexer.take()
        readers: dict[str, Callable[[Token], Command]] = {
            "fields": lambda name: Fields(self._columns(), name.span),
            "display": lambda name: Display(self._columns(), name.span),
            "filter": lambda name: Filter(self.expression(), name.span),
            "where": lambda name: Filter(self.expression(), name.span),
            "parse": self._parse,
            "stats": self._stats,
            "sort": self._sort,
            "limit": self._limit,
            "dedup": lambda name: Dedup(self._names(), name.span),
        }
        word = name.value.lower() if name.kind is Kind.WORD else ""
        if word in _ELSEWHERE:
            raise NotInSubsetError(
                f"Logs Insights knows {word}, and this subset does not: run the query with --aws", name.span
            )
        if word not in readers:
            raise self.unexpected(name, f"a command ({', '.join(readers)})")
        return readers[word](name)

    def _columns(self) -> tuple[Column, ...]:
        columns = [self.column()]
        while self.lexer.peek().is_symbol(","):
            self.lexer.take()
            columns.append(self.column())
        return tuple(columns)

    def _names(self) -> tuple[Field, ...]:
        names = [self.name()]
        while self.lexer.peek().is_symbol(","):
            self.lexer.take()
            names.append(self.name())
        return tuple(names)

    def _parse(self, name: Token) -> Parse:
        source: Expression = Field("@message", name.span)
        token = self.lexer.peek()
        if token.kind in (Kind.WORD, Kind.NAME):
            source = self.name()
            token = self.lexer.peek()
        if token.is_word("logfmt", "csv"):
            raise NotInSubsetError(f"Logs Insights knows parse {token.value}, and this subset does not", token.span)
        if token.is_symbol("/"):
            regex = self.lexer.take_regex()
            groups = named_groups(regex.value, regex.span)
            if self.lexer.peek().is_word("multi"):
                raise NotInSubsetError(
                    "Logs Insights knows parse ... multi, and this subset does not", self.lexer.peek().span
                )
            return Parse(source, to_re2(regex.value, regex.span), False, groups, name.span)
        self.lexer.take()
        if token.kind is not Kind.TEXT:
            raise self.unexpected(token, "a quoted pattern with *, or a regular expression between slashes")
        pattern = glob_to_re2(token.value, token.span)
        if not self.lexer.take().is_word("as"):
            raise QueryError("`as` and a name for each * belong after the pattern", self.lexer.last)
        names = self._names()
        if len(names) != token.value.count("*"):
            raise QueryError(
                f"the pattern has {token.value.count('*')} * and {len(names)} names follow it", self.lexer.last
            )
        extractions = tuple(Extraction(field.name, group) for group, field in enumerate(names, start=1))
        return Parse(source, pattern, True, extractions, name.span)

    def _stats(self, name: Token) -> Stats:
        aggregates = self._columns()
        if not self.lexer.peek().is_word("by"):
            return Stats(aggregates, (), name.span)
        self.lexer.take()
        return Stats(aggregates, self._columns(), name.span)

    def _sort(self, name: Token) -> Sort:
        keys = []
        while True:
            expression = self.expression()
            token = self.lexer.peek()
            if token.is_word("asc", "desc"):
                self.lexer.take()
            keys.append(SortKey(expression, descending=token.is_word("desc")))
            if not self.lexer.peek().is_symbol(","):
                return Sort(tuple(keys), name.span)
            self.lexer.take()

    def _limit(self, name: Token) -> Limit:
        token = self.lexer.take()
        if token.is_word("any"):
            raise NotInSubsetError("limit any gives whichever lines are found first: run it with --aws", token.span)
        if token.kind is not Kind.NUMBER or not token.value.isdigit() or not 1 <= int(token.value) <= LIMIT_MAX:
            raise self.unexpected(token, f"a number of rows from 1 to {LIMIT_MAX:,}")
        return Limit(int(token.value), name.span)
