"""Turns a query's commands into one SQL statement for DuckDB: a table expression for each step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from insights.aggregates import aggregate_sql
from insights.errors import NotInSubsetError, QueryError, Span
from insights.expression_sql import ExpressionSql
from insights.lines import Shapes
from insights.syntax import (
    Call,
    Column,
    Command,
    Dedup,
    Display,
    Field,
    Fields,
    Filter,
    Limit,
    Parse,
    Sort,
    SortKey,
    Stats,
)
from insights.values import Type, Value

ROWS_DEFAULT: Final = 10_000
STATS_MAX: Final = 2
_DEFAULT_COLUMNS: Final = ("@timestamp", "@message")


@dataclass(frozen=True)
class Statement:
    """A SQL statement over the table `lines` (`line`: its number, `time`, and a column for each of `log_fields`)."""

    sql: str
    parameters: Mapping[str, str | float]
    columns: tuple[str, ...]
    types: tuple[Type, ...]
    # A field of the log to its column.
    log_fields: Mapping[str, str]
    compared: Mapping[str, frozenset[str]]


def translate(commands: tuple[Command, ...], shapes: Shapes) -> Statement:
    """The statement that answers a query. Raises `QueryError`.

    `shapes`: what the log's fields hold, which decides what may be compared with texts, and what is a value at all.
    """
    return _Translator(shapes).statement(commands)


class _Translator(ExpressionSql):
    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self._steps: list[str] = []
        self._table = "lines"
        self._made = 0
        # What the result shows: of `fields` or `stats`, of `parse`, and of `display`, which overrides both.
        self._shown: list[str] = []
        self._parsed: list[str] = []
        self._displayed: tuple[str, ...] = ()
        self._display_needed: Span | None = None
        self._order: list[str] = []
        self._groups: list[Value] = []
        self._limit = ROWS_DEFAULT
        self._closed_by: type[Command] | None = None
        self._stats_count = 0
        # While a stats is translated: its aggregates, and the scope that their arguments are in.
        self._aggregates: list[str] | None = None
        self._before_stats: dict[str, Value] = {}

    def statement(self, commands: tuple[Command, ...]) -> Statement:
        """The whole query."""
        for number, command in enumerate(commands):
            self._check_place(command, commands[number + 1 :])
            self._apply(command)
        if self._display_needed and not self._displayed:
            raise NotInSubsetError(
                "which columns are shown then is not documented; end the query with display", self._display_needed
            )
        names = self._displayed or tuple(dict.fromkeys([*(self._shown or _DEFAULT_COLUMNS), *self._parsed]))
        columns = [self.field(Field(name, commands[0].span)) for name in names]
        chosen = ", ".join(f"{value.sql} AS r{index}" for index, value in enumerate(columns))
        last = f"SELECT {chosen} FROM {self._table} ORDER BY {self._full_order()} LIMIT {self._limit}"
        return Statement(
            f"WITH {', '.join(self._steps)} {last}" if self._steps else last,
            self.parameters,
            names,
            tuple(value.type for value in columns),
            self.log_fields,
            {name: frozenset(texts) for name, texts in self.compared.items()},
        )

    def aggregate(self, call: Call) -> Value:
        """Compute an aggregate of the rows before the present `stats`. Raises `QueryError`."""
        if self._aggregates is None:
            return super().aggregate(call)
        collected, result_scope = self._aggregates, self.scope
        of_lines = self._stats_count == 1
        # The arguments are about the rows before, and can't hold another aggregate.
        self._aggregates, self.scope, self.stats_done = None, self._before_stats, not of_lines
        sql, kind = aggregate_sql(call, self.value, of_lines=of_lines)
        self._aggregates, self.scope, self.stats_done = collected, result_scope, True
        column = self._new_column()
        collected.append(f"{sql} AS {column}")
        return Value(column, kind, call.span)

    def _check_place(self, command: Command, later: tuple[Command, ...]) -> None:
        if self._closed_by is Limit and not isinstance(command, Fields | Display | Parse):
            raise NotInSubsetError("what this does after limit is not documented; put it before", command.span)
        if self._closed_by is Dedup and not isinstance(command, Limit):
            raise QueryError("the only command that can follow dedup is limit", command.span)
        if isinstance(command, Sort | Limit | Dedup) and any(isinstance(other, Stats) for other in later):
            raise QueryError("sort, limit and dedup belong after the last stats", command.span)

    def _apply(self, command: Command) -> None:
        match command:
            case Filter(condition):
                self._step(f"SELECT * FROM {self._table} WHERE {self.value(condition).condition()}")
            case Fields(columns, span):
                _refuse_same_names(columns)
                self._shown = list(dict.fromkeys([*self._shown, *map(self._column, columns)]))
                self._display_needed = span if self.stats_done else None
            case Display(columns):
                _refuse_same_names(columns)
                self._displayed = tuple(dict.fromkeys(map(self._column, columns)))
            case Parse():
                self._parse(command)
            case Stats():
                self._stats(command)
            case Sort(keys, span):
                if self._order:
                    raise NotInSubsetError("what a second sort does is not documented", span)
                self._order = [order for key in keys for order in self._key_order(key)]
            case Limit(rows):
                self._limit, self._closed_by = rows, Limit
            case Dedup(fields, span):
                self._dedup(fields, span)

    def _step(self, sql: str) -> None:
        self._table = f"s{len(self._steps)}"
        self._steps.append(f"{self._table} AS ({sql})")

    def _new_column(self) -> str:
        self._made += 1
        return f"c{self._made}"

    def _column(self, column: Column) -> str:
        """Compute a column, put it into the scope, and give its name."""
        value = self.value(column.expression)
        if not isinstance(column.expression, Field):
            value = self._computed(value)
        self.scope[column.name] = value
        return column.name

    def _computed(self, value: Value) -> Value:
        made = self._new_column()
        self._step(f"SELECT *, {value.sql} AS {made} FROM {self._table}")
        return Value(made, value.type, value.span, value.json_numbers)

    def _parse(self, command: Parse) -> None:
        text, pattern = self.value(command.source).text(), self.parameter(command.pattern)
        for extraction in command.extractions:
            group = f"regexp_extract({text}, {pattern}, {extraction.group})"
            found = group if command.is_glob else f"nullif({group}, '')"
            sql = f"CASE WHEN regexp_matches({text}, {pattern}) THEN {found} END"
            self.scope[extraction.name] = self._computed(Value(sql, Type.ANY, command.span))
            self._parsed.append(extraction.name)
        self._display_needed = command.span if self.stats_done else None

    def _stats(self, command: Stats) -> None:
        self._stats_count += 1
        if self._stats_count > STATS_MAX:
            raise QueryError(f"a query has at most {STATS_MAX} stats", command.span)
        _refuse_same_names((*command.by, *command.aggregates))
        groups = {column.name: self.value(column.expression) for column in command.by}
        self._before_stats, self.scope, self.stats_done = self.scope, {}, True
        selected = []
        for name, value in groups.items():
            made = self._new_column()
            selected.append(f"{value.sql} AS {made}")
            self.scope[name] = Value(made, value.type, value.span, value.json_numbers)
        self._groups = list(self.scope.values())
        self._aggregates = []
        for column in command.aggregates:
            # In the scope at once, as those that follow can be made of it.
            value = self.value(column.expression)
            self.scope[column.name] = Value(value.sql, value.type, value.span)
        if not self._aggregates:
            raise QueryError("stats needs an aggregate, such as count(*)", command.span)
        by = f" GROUP BY {', '.join(str(number) for number in range(1, len(groups) + 1))}" if groups else ""
        self._step(f"SELECT {', '.join([*selected, *self._aggregates])} FROM {self._table}{by}")
        self._aggregates = None
        for column in command.aggregates:
            self.scope[column.name] = self._computed(self.scope[column.name])
        self._shown, self._parsed, self._displayed, self._display_needed = list(self.scope), [], (), None

    def _dedup(self, fields: tuple[Field, ...], span: Span) -> None:
        if self.stats_done and not self._order:
            raise NotInSubsetError("the order of rows after stats is not documented; put sort before dedup", span)
        keys = [self.field(field).sql for field in fields]
        first = f"row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {self._full_order()}) = 1"
        # Lines that lack one of the values are no duplicates.
        missing = " OR ".join(f"{key} IS NULL" for key in keys)
        self._step(f"SELECT * FROM {self._table} QUALIFY {first} OR {missing}")
        self._closed_by = Dedup

    def _key_order(self, key: SortKey) -> list[str]:
        value = self.value(key.expression)
        order = value.order(descending=key.descending)
        by_time = isinstance(key.expression, Field) and key.expression.name == "@timestamp"
        # Lines of the same millisecond stay in the order in which they were written.
        return [order, "line"] if by_time and not key.descending and not self.stats_done else [order]

    def _full_order(self) -> str:
        if not self.stats_done:
            return ", ".join([*self._order, "time DESC", "line DESC"])
        groups = [value.order(descending=value.type is Type.TIME) for value in self._groups]
        return ", ".join([*self._order, *groups]) or "1"


def _refuse_same_names(columns: tuple[Column, ...]) -> None:
    names: set[str] = set()
    for column in columns:
        is_repeated = isinstance(column.expression, Field) and column.expression.name == column.name
        if column.name in names and not is_repeated:
            raise NotInSubsetError(f"another column has the name {column.name} already; give one another", column.span)
        names.add(column.name)
