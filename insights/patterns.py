"""Regular expressions and globs, as RE2 (DuckDB's engine) takes them."""

import re
from typing import Final

import duckdb

from insights.errors import NotInSubsetError, QueryError, Span
from insights.syntax import Extraction

# A bracket that opens a group, with the group's name if it has one; escapes and character sets are passed over.
_OPENING: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\((?!\?)|\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>", re.DOTALL
)
# What RE2 says of that which other engines have and it has not: looking around, back references and the like.
_LACKING: Final = (
    "invalid perl operator",
    "invalid escape",
    "bad repetition operator",
    "invalid character class range",
)
_ANY_CASE: Final = re.compile(r"\(\?[a-zA-Z]*i")


def to_re2(pattern: str, span: Span) -> str:
    """`pattern` in RE2's spelling. Raises `QueryError` if it is not a regular expression that RE2 takes."""
    if re.search(r"\\Q", pattern):
        raise NotInSubsetError(r"\Q is not read here; put a backslash before each character that has a meaning", span)
    if _ANY_CASE.search(pattern) and not pattern.isascii():
        raise NotInSubsetError("which letters beyond a to z are the same to (?i) is not documented", span)
    translated = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern)
    try:
        # The constructor's own database would be shared with whoever else uses it in this process.
        with duckdb.connect() as database:
            database.execute("SELECT regexp_matches('', $1)", [translated])
    except duckdb.Error as error:
        cause = str(error).split("Error: ")[-1]
        if cause.startswith(_LACKING):
            raise NotInSubsetError(f"this regular expression can't be run here: {cause}", span) from None
        raise QueryError(f"this regular expression does not work: {cause}", span) from None
    return translated


def named_groups(pattern: str, span: Span) -> tuple[Extraction, ...]:
    """The named groups of a regular expression, such as `(?<user>.*)`. Raises `QueryError` if there are none."""
    groups = [match for match in _OPENING.finditer(pattern) if match[0].startswith("(")]
    named = tuple(Extraction(match[1], number) for number, match in enumerate(groups, start=1) if match[1])
    if not named:
        raise QueryError("this regular expression has no named group, such as (?<name>.*), to take a value from", span)
    if len({extraction.name for extraction in named}) < len(named):
        raise QueryError("two groups of this regular expression have the same name", span)
    return named


def glob_to_re2(glob: str, span: Span) -> str:
    """A regular expression with a group for each `*` of `glob`; a `*` at the end takes the rest of the text."""
    if "*" not in glob:
        raise QueryError("this pattern has no * to take a value from", span)
    if "**" in glob:
        raise NotInSubsetError("where one * ends and the next begins is not documented", span)
    pieces = [re.sub(r"([!-/:-@[-^`{-~])", r"\\\1", piece) for piece in glob.split("*")]
    last = "(.*)" if glob.endswith("*") else "(.*?)"
    return "(?s)" + "(.*?)".join(pieces[:-1]) + last + pieces[-1]
