"""Turns expressions into SQL."""

import re
from typing import Final

from insights.calls import call_value
from insights.errors import NotInSubsetError, QueryError, Span
from insights.functions import AGGREGATES
from insights.lines import LAMBDA_FIELDS, SYSTEM_FIELDS, Shapes
from insights.patterns import to_re2
from insights.syntax import Binary, Call, Expression, Field, In, Number, Period, Regex, Text, Truth, Unary
from insights.values import NUMBER, NUMBERS, TEXTS, WHOLE_MAX, Type, Value, failing

_TRUE: Final = "to compare with a true of the log's JSON write 1, with a false 0, as Logs Insights has them"

# A name that needs no backticks.
_PLAIN: Final = re.compile(r"[@A-Za-z_][A-Za-z0-9_.@]*")


class ExpressionSql:
    """Translates expressions over the columns in `scope`; finds the log's fields, and notes what it read."""

    def __init__(self, shapes: Shapes) -> None:
        self.scope: dict[str, Value] = {}
        # A field of the log to its column in the table of lines.
        self.log_fields: dict[str, str] = {}
        self.compared: dict[str, set[str]] = {}
        self.parameters: dict[str, str | float] = {}
        # After `stats`, nothing is left but what it made.
        self.stats_done = False
        self._shapes = shapes

    def value(self, expression: Expression) -> Value:
        """An expression in SQL. Raises `QueryError`."""
        match expression:
            case Field():
                return self.field(expression)
            case Text(text, span):
                return Value(self.parameter(text), Type.TEXT, span)
            case Number(text, span):
                if abs(float(text)) >= WHOLE_MAX:
                    raise NotInSubsetError("from here on, whole numbers are not told apart", span)
                return Value(f"{float(text)!r}::DOUBLE", Type.NUMBER, span)
            case Unary("not", operand, span):
                return Value(f"(NOT {self.value(operand).condition()})", Type.BOOLEAN, span)
            case Unary(_, operand, span):
                return Value(f"(- {self.value(operand).number()})", Type.NUMBER, span)
            case Binary():
                return self._binary(expression)
            case In(value, choices, span):
                tests = [self._equal(value, choice) for choice in choices]
                return Value(f"({' OR '.join(tests)})", Type.BOOLEAN, span)
            case Call():
                if expression.name in AGGREGATES:
                    return self.aggregate(expression)
                return call_value(expression, self.value, self.parameter)
            case Truth(_, span):
                raise QueryError(f"true and false are no values here; {_TRUE}", span)
            case Period(_, span):
                raise QueryError("a period belongs in bin, datefloor or dateceil", span)
            case Regex(_, span):
                raise QueryError("a regular expression belongs after like or =~", span)

    def field(self, field: Field) -> Value:
        """A column of the scope, or a field of the log that is read for the first time. Raises `QueryError`."""
        if known := self.scope.get(field.name):
            return Value(known.sql, known.type, field.span, known.json_numbers)
        if self.stats_done:
            made = ", ".join(name if _PLAIN.fullmatch(name) else f"`{name}`" for name in self.scope)
            raise QueryError(f"after stats there is no {field.name}; what stats made is there: {made}", field.span)
        if field.name in self._shapes.holders:
            raise NotInSubsetError(
                f"{field.name} is an object or a list in some line, and how CloudWatch shows that is not documented; "
                f"ask for what is in it, such as {field.name}.x or {field.name}.0",
                field.span,
            )
        if field.name in SYSTEM_FIELDS:
            kind = Type.TIME if field.name in ("@timestamp", "@ingestionTime") else Type.TEXT
        elif field.name.startswith("@") and not field.name.startswith("@@") and field.name not in LAMBDA_FIELDS:
            raise NotInSubsetError(
                f"this subset does not find {field.name} in lines; it has {', '.join(SYSTEM_FIELDS + LAMBDA_FIELDS)}",
                field.span,
            )
        else:
            kind = Type.ANY
        self.log_fields[field.name] = column = f"f{len(self.log_fields)}"
        self.scope[field.name] = Value(column, kind, field.span, field.name in self._shapes.numbers)
        return self.field(field)

    def aggregate(self, call: Call) -> Value:
        """An aggregate function; only `stats` has an answer to it."""
        raise QueryError(f"{call.name} belongs in stats; elsewhere, use the name that stats gave it", call.span)

    def parameter(self, value: str) -> str:
        """A text as a bound parameter of the statement."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}::VARCHAR"

    def _binary(self, binary: Binary) -> Value:
        left, right, span = binary.left, binary.right, binary.span
        match binary.operator:
            case "and" | "or" as operator:
                sides = f"{self.value(left).condition()} {operator.upper()} {self.value(right).condition()}"
                return Value(f"({sides})", Type.BOOLEAN, span)
            case "=":
                return Value(self._equal(left, right), Type.BOOLEAN, span)
            case "!=":
                # Of a line without the field, `=` is false and so this is true, as with `not in` in the documentation.
                return Value(f"(NOT {self._equal(left, right)})", Type.BOOLEAN, span)
            case "like":
                return Value(self._like(left, right), Type.BOOLEAN, span)
            case "<" | "<=" | ">" | ">=" as operator:
                return Value(self._ordered(operator, left, right, span), Type.BOOLEAN, span)
        operands = f"{self.value(left).number()}", f"{self.value(right).number()}"
        if binary.operator == "^":
            return Value(f"pow({operands[0]}, {operands[1]})", Type.NUMBER, span)
        divisor = f"nullif({operands[1]}, 0)" if binary.operator in "/%" else operands[1]
        return Value(f"({operands[0]} {binary.operator} {divisor})", Type.NUMBER, span)

    def _like(self, left: Expression, right: Expression) -> str:
        text = self.value(left).text()
        if isinstance(right, Regex):
            return f"coalesce(regexp_matches({text}, {self.parameter(to_re2(right.pattern, right.span))}), false)"
        return f"coalesce(contains({text}, {self.value(right).text()}), false)"

    def _equal(self, left: Expression, right: Expression) -> str:
        self._refuse_truth(left, right)
        for side, other in ((left, right), (right, left)):
            if isinstance(other, Text):
                return self._equals_text(side, other)
        first, second = self.value(left), self.value(right)
        if Type.TIME in (first.type, second.type):
            return f"coalesce({first.time()} = {second.time()}, false)"
        if first.type in NUMBERS or second.type in NUMBERS:
            return f"coalesce({first.number()} = {second.number()}, false)"
        return f"coalesce({first.number()} = {second.number()}, {first.sql} = {second.sql}, false)"

    def _equals_text(self, side: Expression, text: Text) -> str:
        value = self.value(side)
        if isinstance(side, Field) and side.name in self.log_fields and not self.stats_done:
            self.compared.setdefault(side.name, set()).add(text.value)
        looks_like_number = NUMBER.fullmatch(text.value) is not None
        if value.type is Type.TIME:
            raise QueryError("CloudWatch does not compare times with texts; compare toMillis(...) of it", text.span)
        if value.json_numbers and text.value.lower() in ("true", "false"):
            raise NotInSubsetError(_TRUE, text.span)
        if value.type in NUMBERS or (value.json_numbers and looks_like_number):
            raise NotInSubsetError(
                f"whether a number equals the text {text.value!r} is not documented; write it without quotes"
                if looks_like_number
                else f"{value.type.value} is compared with a text",
                text.span,
            )
        return f"coalesce({value.text()} = {self.parameter(text.value)}, false)"

    def _ordered(self, operator: str, left: Expression, right: Expression, span: Span) -> str:
        self._refuse_truth(left, right)
        for side in (left, right):
            if isinstance(side, Text):
                raise NotInSubsetError(
                    f"which texts are {operator} others is not documented; compare numbers, without quotes", side.span
                )
        first, second = self.value(left), self.value(right)
        if Type.TIME in (first.type, second.type):
            return f"coalesce({first.time()} {operator} {second.time()}, false)"
        compared = f"coalesce({first.number()} {operator} {second.number()}, false)"
        if first.type in TEXTS and second.type in TEXTS:
            texts = f"number_of({first.sql}) IS NULL AND number_of({second.sql}) IS NULL"
            present = f"{first.sql} IS NOT NULL AND {second.sql} IS NOT NULL"
            stop = failing(f"which texts are {operator} others is not documented, and a line has two texts here", span)
            return f"CASE WHEN {texts} AND {present} THEN {stop} ELSE {compared} END"
        return compared

    def _refuse_truth(self, *sides: Expression) -> None:
        for side in sides:
            if isinstance(side, Truth):
                raise QueryError(_TRUE, side.span)
