"""The parts that a query consists of."""

from dataclasses import dataclass

from insights.errors import Span


@dataclass(frozen=True)
class Field:
    """A field of the log, or a name that the query gave."""

    name: str
    span: Span


@dataclass(frozen=True)
class Text:
    """A quoted text."""

    value: str
    span: Span


@dataclass(frozen=True)
class Number:
    """A number, as it was written."""

    value: str
    span: Span


@dataclass(frozen=True)
class Truth:
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True)
class Regex:
    """A regular expression between slashes."""

    pattern: str
    span: Span


@dataclass(frozen=True)
class Period:
    """A length of time, in milliseconds."""

    milliseconds: int
    span: Span


@dataclass(frozen=True)
class Call:
    """A function with its arguments; `count(*)` has none."""

    name: str
    arguments: tuple["Expression", ...]
    span: Span


@dataclass(frozen=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: "Expression"
    span: Span


@dataclass(frozen=True)
class Binary:
    """Two sides of an arithmetic, comparing or logical operator, or of `like`."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span


@dataclass(frozen=True)
class In:
    """Whether a value is one of several."""

    value: "Expression"
    choices: tuple[Text | Number, ...]
    span: Span


Expression = Field | Text | Number | Truth | Regex | Period | Call | Unary | Binary | In


@dataclass(frozen=True)
class Column:
    """An expression and the name of its result: what follows `as`, or the expression's own text."""

    expression: Expression
    name: str
    span: Span


@dataclass(frozen=True)
class Fields:
    """`fields`: computes and shows columns."""

    columns: tuple[Column, ...]
    span: Span


@dataclass(frozen=True)
class Display:
    """`display`: shows these columns alone."""

    columns: tuple[Column, ...]
    span: Span


@dataclass(frozen=True)
class Filter:
    """`filter` (or `where`): keeps lines."""

    condition: Expression
    span: Span


@dataclass(frozen=True)
class Extraction:
    """A name that `parse` makes, and the group of the pattern that gives its value."""

    name: str
    group: int


@dataclass(frozen=True)
class Parse:
    """`parse`: takes values out of a text. What matches nothing is empty with a glob, and missing with a regex."""

    source: Expression
    pattern: str
    is_glob: bool
    extractions: tuple[Extraction, ...]
    span: Span


@dataclass(frozen=True)
class Stats:
    """`stats`: computes aggregates, one row for each combination of the values of `by`."""

    aggregates: tuple[Column, ...]
    by: tuple[Column, ...]
    span: Span


@dataclass(frozen=True)
class SortKey:
    """What to sort by, and which way."""

    expression: Expression
    descending: bool


@dataclass(frozen=True)
class Sort:
    """`sort`: orders rows."""

    keys: tuple[SortKey, ...]
    span: Span


@dataclass(frozen=True)
class Limit:
    """`limit`: how many rows at most."""

    rows: int
    span: Span


@dataclass(frozen=True)
class Dedup:
    """`dedup`: the first row of each combination of values."""

    fields: tuple[Field, ...]
    span: Span


Command = Fields | Display | Filter | Parse | Stats | Sort | Limit | Dedup
