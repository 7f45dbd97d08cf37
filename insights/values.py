"""Values in SQL: what kind each is, and how one kind is taken for another."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn

from insights.errors import NotInSubsetError, QueryError, Span


class Type(Enum):
    """What an expression gives. In SQL: texts are VARCHAR, numbers DOUBLE, times BIGINT milliseconds since 1970 UTC."""

    # A field of the log: a text that may be a number.
    ANY = "a field"
    TEXT = "a text"
    NUMBER = "a number"
    BOOLEAN = "a condition"
    TIME = "a time"


TEXTS: Final = (Type.ANY, Type.TEXT)
NUMBERS: Final = (Type.NUMBER, Type.BOOLEAN)

# From here on, a DOUBLE no longer tells whole numbers apart.
WHOLE_MAX: Final = 2**53

# What is a number when it is a text.
NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")

# `number_of`: the number that a text is, or NULL. `natural_key`: digits and letters in chunks, each run of digits by
# its length first, as the documentation of `sort` describes; `sort_key` puts all texts before all numbers.
MACROS: Final = (
    f"CREATE MACRO number_of(v) AS CASE WHEN regexp_full_match(v, '{NUMBER.pattern}') THEN TRY_CAST(v AS DOUBLE) END",
    r"""CREATE MACRO natural_key(v) AS list_transform(
        regexp_extract_all(v, '(?s)[0-9]+|[[:alpha:]]+|.'),
        lambda chunk: CASE WHEN regexp_full_match(chunk, '[0-9]+')
                      THEN '0' || lpad(length(chunk)::VARCHAR, 9, '0') || chunk ELSE chunk END)""",
    # Of the same number in two spellings, such as 01 and 1, the texts decide.
    """CREATE MACRO sort_key(v) AS CASE WHEN number_of(v) IS NULL
        THEN row(false, 0::DOUBLE, natural_key(v), v) ELSE row(true, number_of(v), []::VARCHAR[], v) END""",
)


@dataclass(frozen=True)
class Value:
    """An expression in SQL. `json_numbers`: whether some of a field's values are numbers in the log's JSON."""

    sql: str
    type: Type
    span: Span
    json_numbers: bool = False

    def number(self) -> str:
        """As DOUBLE; NULL where a field is no number. Raises `QueryError`."""
        if self.type in TEXTS:
            return f"number_of({self.sql})"
        if self.type is Type.BOOLEAN:
            return f"({self.sql})::DOUBLE"
        if self.type is Type.TIME:
            raise QueryError("a number is needed here, and this is a time; write toMillis(...)", self.span)
        return self.sql

    def text(self) -> str:
        """As VARCHAR. Raises `QueryError`."""
        if self.type not in TEXTS:
            raise NotInSubsetError(f"how CloudWatch writes {self.type.value} as a text is not documented", self.span)
        return self.sql

    def time(self) -> str:
        """As BIGINT. Raises `QueryError`."""
        if self.type is not Type.TIME:
            raise QueryError(
                f"a time is needed here, such as @timestamp, and this is {self.type.value}; "
                "fromMillis(...) makes a time of milliseconds",
                self.span,
            )
        return self.sql

    def condition(self) -> str:
        """As BOOLEAN. Raises `QueryError`."""
        if self.type is Type.ANY:
            raise QueryError("a condition is needed here; compare the field, such as with = 1 for a true", self.span)
        if self.type is not Type.BOOLEAN:
            raise QueryError(f"a condition is needed here, and this is {self.type.value}", self.span)
        return self.sql

    def order(self, *, descending: bool) -> str:
        """For ORDER BY: ascending is missing, texts, numbers; descending the reverse."""
        key = f"sort_key({self.sql})" if self.type in TEXTS else self.sql
        direction = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
        # A row of a missing value is not itself missing.
        return f"{self.sql} IS NOT NULL {'DESC' if descending else 'ASC'}, {key} {direction}"


def failing(message: str, span: Span) -> str:
    """SQL that stops the query with a `NotInSubsetError` if a line's values come to it."""
    quoted = f"{span.start}:{span.end}:{message}".replace("'", "''")
    return f"error('insights:{quoted}')"


def raise_failed(message: str) -> NoReturn:
    """Raise what `failing` stopped a query with, from DuckDB's message."""
    start, end, said = message.split("insights:", 1)[1].split(":", 2)
    raise NotInSubsetError(said, Span(int(start), int(end)))
