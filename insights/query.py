"""A query that has been read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from insights.errors import QueryError, Span
from insights.lines import LAMBDA_FIELDS, SYSTEM_FIELDS, Shapes
from insights.parser import read_commands
from insights.syntax import Command
from insights.to_sql import translate


@dataclass(frozen=True)
class Query:
    """A query of Logs Insights.

    `fields_read` are the names of the log's own fields that it reads: not those of the system (`@timestamp`), and not
    the names that it makes itself. `compared` has, for such a field, the quoted texts that it is compared with by `=`,
    `!=` and `in`. `columns` are the names of the result's columns.
    """

    text: str
    commands: tuple[Command, ...]
    columns: tuple[str, ...]
    fields_read: frozenset[str]
    compared: Mapping[str, frozenset[str]]


def parse(text: str) -> Query:
    """Read and check a query. Raises `QueryError`, or `NotInSubsetError` where CloudWatch may well take it."""
    try:
        commands = read_commands(text)
        statement = translate(commands, Shapes())
    except QueryError as error:
        raise error.of(text) from None
    except RecursionError:
        raise QueryError("this query is nested too deeply", Span(0, len(text))).of(text) from None
    read = frozenset(statement.log_fields) - frozenset(SYSTEM_FIELDS + LAMBDA_FIELDS)
    return Query(text, commands, statement.columns, read, statement.compared)
