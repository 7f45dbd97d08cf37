"""Reads expressions: `duration_ms / 1000 > 2 and route like "/v1"`."""

from typing import Final

from insights.errors import NotInSubsetError, QueryError, Span
from insights.lexer import Kind, Lexer, Token
from insights.periods import milliseconds_of
from insights.syntax import Binary, Call, Column, Expression, Field, In, Number, Period, Regex, Text, Truth, Unary

# Words that are part of the language, and a field's name only in backticks.
RESERVED: Final = frozenset({"and", "as", "asc", "by", "desc", "in", "like", "not", "or"})
_COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")


class ExpressionReader:
    """Takes expressions off a lexer, by descent through the levels of precedence."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lexer = Lexer(text)

    def column(self) -> Column:
        """An expression, with the name that follows `as` or, without one, its own text."""
        expression = self.expression()
        if self.lexer.peek().is_word("as"):
            self.lexer.take()
            name = self.name("a name after `as`")
            return Column(expression, name.name, expression.span.to(name.span))
        if isinstance(expression, Field):
            return Column(expression, expression.name, expression.span)
        written = " ".join(self.text[expression.span.start : expression.span.end].split())
        return Column(expression, written, expression.span)

    def name(self, wanted: str = "a field's name") -> Field:
        """A name that is not part of the language."""
        token = self.lexer.take()
        if token.kind is Kind.NAME or (token.kind is Kind.WORD and token.value.lower() not in RESERVED):
            return Field(token.value, token.span)
        raise self.unexpected(token, wanted)

    def expression(self) -> Expression:
        """Everything down to `or`."""
        left = self._and()
        while self.lexer.peek().is_word("or"):
            self.lexer.take()
            right = self._and()
            left = Binary("or", left, right, left.span.to(right.span))
        return left

    def expect(self, symbol: str, wanted: str) -> Token:
        """Take `symbol`, or raise `QueryError`."""
        token = self.lexer.take()
        if not token.is_symbol(symbol):
            raise self.unexpected(token, wanted)
        return token

    def unexpected(self, token: Token, wanted: str) -> QueryError:
        """The error for a token that does not belong where it stands."""
        hint = "; a field of that name goes in backticks" if token.value.lower() in RESERVED else ""
        return QueryError(f"found {token} where {wanted} belongs{hint}", token.span)

    def _and(self) -> Expression:
        left = self._not()
        while self.lexer.peek().is_word("and"):
            self.lexer.take()
            right = self._not()
            left = Binary("and", left, right, left.span.to(right.span))
        return left

    def _not(self) -> Expression:
        if self.lexer.peek().is_word("not"):
            start = self.lexer.take().span
            operand = self._not()
            return Unary("not", operand, start.to(operand.span))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self.lexer.peek()
        if token.is_symbol(*_COMPARISONS):
            self.lexer.take()
            right = self._sum()
            if self.lexer.peek().is_symbol(*_COMPARISONS):
                raise self.unexpected(self.lexer.peek(), "`and`, `or` or the end of the condition")
            return Binary(token.value, left, right, left.span.to(right.span))
        negated = token.is_word("not")
        if negated:
            self.lexer.take()
            token = self.lexer.peek()
        if token.is_word("like") or (token.is_symbol("=~") and not negated):
            self.lexer.take()
            return self._negated(negated, self._like(left, regex_only=token.is_symbol("=~")))
        if token.is_word("in"):
            self.lexer.take()
            return self._negated(negated, self._in(left))
        if negated:
            raise self.unexpected(token, "`like` or `in`")
        return left

    def _negated(self, negated: bool, condition: Expression) -> Expression:
        return Unary("not", condition, condition.span) if negated else condition

    def _like(self, left: Expression, *, regex_only: bool) -> Expression:
        token = self.lexer.peek()
        if token.is_symbol("/"):
            regex = self.lexer.take_regex()
            return Binary("like", left, Regex(regex.value, regex.span), left.span.to(regex.span))
        self.lexer.take()
        if token.kind is not Kind.TEXT or regex_only:
            raise self.unexpected(
                token, "a regular expression between slashes" + ("" if regex_only else " or a quoted text")
            )
        return Binary("like", left, Text(token.value, token.span), left.span.to(token.span))

    def _in(self, left: Expression) -> Expression:
        self.expect("[", "a list such as [200, 404]")
        choices: list[Text | Number] = []
        while True:
            choice = self._primary()
            if isinstance(choice, Unary) and isinstance(choice.operand, Number):
                choice = Number(f"-{choice.operand.value}", choice.span)
            if not isinstance(choice, Text | Number):
                raise QueryError("a list holds numbers and quoted texts", choice.span)
            choices.append(choice)
            token = self.lexer.take()
            if token.is_symbol("]"):
                return In(left, tuple(choices), left.span.to(token.span))
            if not token.is_symbol(","):
                raise self.unexpected(token, "a comma or ]")

    def _sum(self) -> Expression:
        left = self._product()
        while self.lexer.peek().is_symbol("+", "-"):
            operator = self.lexer.take().value
            right = self._product()
            left = Binary(operator, left, right, left.span.to(right.span))
        return left

    def _product(self) -> Expression:
        left = self._power()
        while self.lexer.peek().is_symbol("*", "/", "%"):
            operator = self.lexer.take().value
            right = self._power()
            left = Binary(operator, left, right, left.span.to(right.span))
        return left

    def _power(self) -> Expression:
        left = self._primary()
        if not self.lexer.peek().is_symbol("^"):
            return left
        self.lexer.take()
        right = self._primary()
        span = left.span.to(right.span)
        if self.lexer.peek().is_symbol("^") or isinstance(left, Unary):
            raise NotInSubsetError("which part of this power comes first is not documented; put brackets", span)
        return Binary("^", left, right, span)

    def _primary(self) -> Expression:
        token = self.lexer.take()
        if token.is_symbol("("):
            inner = self.expression()
            self.expect(")", "the closing bracket")
            return inner
        if token.is_symbol("-"):
            operand = self._primary()
            return Unary("-", operand, token.span.to(operand.span))
        if token.kind is Kind.TEXT:
            return Text(token.value, token.span)
        if token.kind is Kind.NUMBER:
            return Number(token.value, token.span)
        if token.kind is Kind.PERIOD:
            return Period(milliseconds_of(token.value, token.span), token.span)
        if token.is_word("true", "false"):
            return Truth(token.is_word("true"), token.span)
        if token.kind is Kind.NAME:
            return Field(token.value, token.span)
        if token.kind is Kind.WORD and token.value.lower() not in RESERVED:
            return self._call(token) if self.lexer.peek().is_symbol("(") else Field(token.value, token.span)
        raise self.unexpected(token, "a field, a value or a function")

    def _call(self, name: Token) -> Expression:
        self.lexer.take()
        arguments: list[Expression] = []
        token = self.lexer.peek()
        if token.is_symbol("*") and name.value.lower() == "count":
            self.lexer.take()
        elif not token.is_symbol(")"):
            arguments.append(self.expression())
            while self.lexer.peek().is_symbol(","):
                self.lexer.take()
                arguments.append(self.expression())
        end = self.expect(")", "a comma or the closing bracket")
        return Call(name.value.lower(), tuple(arguments), Span(name.span.start, end.span.end))
