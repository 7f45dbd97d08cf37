"""Turns function calls into SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from insights.errors import NotInSubsetError, QueryError
from insights.functions import FUNCTIONS, FUNCTIONS_ELSEWHERE, NUMBERS_FUNCTIONS, SPECIAL_FUNCTIONS
from insights.syntax import Call, Expression, Field, Number, Period, Truth
from insights.values import TEXTS, Type, Value

_BRANCHES_MAX: Final = 10


def call_value(call: Call, value_of: Callable[[Expression], Value], parameter: Callable[[str], str]) -> Value:
    """A call in SQL, of a function that is no aggregate. Raises `QueryError`.

    `value_of` translates arguments, and `parameter` binds a text.
    """
    return _Caller(value_of, parameter).value(call)


@dataclass(frozen=True)
class _Caller:
    value_of: Callable[[Expression], Value]
    parameter: Callable[[str], str]

    def value(self, call: Call) -> Value:
        if call.name in SPECIAL_FUNCTIONS:
            return self._special(call)
        if call.name == "strcontains" and len(call.arguments) == 3:
            return self._contains_any_case(call)
        function = FUNCTIONS.get((call.name, len(call.arguments)))
        if function is None:
            raise _no_function(call)
        taken = [self._as(kind, argument) for kind, argument in zip(function.takes, call.arguments, strict=True)]
        return Value(f"({function.sql.format(*taken)})", function.gives, call.span)

    def _as(self, kind: Type, argument: Expression) -> str:
        value = self.value_of(argument)
        if kind is Type.NUMBER:
            return value.number()
        if kind is Type.TEXT:
            return value.text()
        return value.time() if kind is Type.TIME else value.sql

    def _contains_any_case(self, call: Call) -> Value:
        text, wanted, any_case = call.arguments
        if not isinstance(any_case, Truth):
            raise QueryError("the third argument of strcontains is true or false", any_case.span)
        sides = self.value_of(text).text(), self.value_of(wanted).text()
        if any_case.value:
            sides = f"lower({sides[0]})", f"lower({sides[1]})"
        return Value(f"coalesce(contains({sides[0]}, {sides[1]}), false)", Type.BOOLEAN, call.span)

    def _special(self, call: Call) -> Value:
        arguments = call.arguments
        if call.name == "bin" and len(arguments) == 1:
            return self._rounded(Field("@timestamp", call.span), arguments[0], call, up=False)
        if call.name in ("datefloor", "dateceil") and len(arguments) == 2:
            return self._rounded(arguments[0], arguments[1], call, up=call.name == "dateceil")
        if call.name == "substr" and len(arguments) in (2, 3):
            return self._substring(call)
        if call.name in NUMBERS_FUNCTIONS and arguments:
            numbers = ", ".join(self.value_of(argument).number() for argument in arguments)
            return Value(f"{call.name}({numbers})", Type.NUMBER, call.span)
        if call.name == "concat" and arguments:
            texts = " || ".join(self.value_of(argument).text() for argument in arguments)
            return Value(f"({texts})", Type.TEXT, call.span)
        if call.name == "coalesce" and arguments:
            chosen, kind, json_numbers = self._alike(arguments)
            return Value(f"coalesce({', '.join(chosen)})", kind, call.span, json_numbers)
        branches = {"if": (3, 3), "case": (2, 2 * _BRANCHES_MAX + 1)}.get(call.name)
        if branches and branches[0] <= len(arguments) <= branches[1]:
            return self._case(call)
        raise QueryError(f"{call.name} does not take {len(arguments)} arguments", call.span)

    def _rounded(self, time: Expression, period: Expression, call: Call, *, up: bool) -> Value:
        if not isinstance(period, Period):
            raise QueryError("a period such as 5m belongs here", period.span)
        step = period.milliseconds
        dividend = f"({self.value_of(time).time()} + {step - 1 if up else 0})"
        return Value(f"(({dividend} // {step}) * {step})", Type.TIME, call.span)

    def _substring(self, call: Call) -> Value:
        text, *numbers = call.arguments
        positions = []
        for number in numbers:
            if not isinstance(number, Number) or not number.value.isdigit():
                raise NotInSubsetError("substr takes whole numbers from 0 here", number.span)
            positions.append(int(number.value))
        # SQL counts from 1.
        positions[0] += 1
        return Value(f"substr({self.value_of(text).text()}, {', '.join(map(str, positions))})", Type.TEXT, call.span)

    def _case(self, call: Call) -> Value:
        conditions, results = list(call.arguments[0::2]), list(call.arguments[1::2])
        if len(conditions) > len(results):
            results.append(conditions.pop())
        chosen, kind, json_numbers = self._alike(results)
        branches = " ".join(
            f"WHEN {self.value_of(condition).condition()} THEN {result}"
            for condition, result in zip(conditions, chosen, strict=False)
        )
        otherwise = f" ELSE {chosen[-1]}" if len(chosen) > len(conditions) else ""
        return Value(f"(CASE {branches}{otherwise} END)", kind, call.span, json_numbers)

    def _alike(self, expressions: Sequence[Expression]) -> tuple[list[str], Type, bool]:
        """The expressions as values of one kind, that kind, and whether some are numbers of the log's JSON."""
        values = [self.value_of(expression) for expression in expressions]
        json_numbers = any(value.json_numbers for value in values)
        if len({value.type for value in values}) == 1:
            return [value.sql for value in values], values[0].type, json_numbers
        texts = []
        for value, expression in zip(values, expressions, strict=True):
            if isinstance(expression, Number):
                texts.append(self.parameter(expression.value))
                json_numbers = True
            elif value.type in TEXTS:
                texts.append(value.sql)
            else:
                raise NotInSubsetError(
                    f"{value.type.value} among other values: what the result is, is not documented", value.span
                )
        return texts, Type.ANY, json_numbers


def _no_function(call: Call) -> QueryError:
    if counts := sorted(count for name, count in FUNCTIONS if name == call.name):
        wanted = " or ".join(map(str, counts))
        return QueryError(f"{call.name} takes {wanted} arguments, not {len(call.arguments)}", call.span)
    if call.name in FUNCTIONS_ELSEWHERE:
        return NotInSubsetError(
            f"Logs Insights knows {call.name}, and this subset does not: run the query with --aws", call.span
        )
    if call.name == "stddev":
        return NotInSubsetError(
            "whether stddev is that of a sample is not documented: run the query with --aws", call.span
        )
    return QueryError(f"there is no function {call.name}", call.span)
