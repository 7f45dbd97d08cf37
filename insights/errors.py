"""What is wrong with a query, where, and what would be right."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A piece of a query's text: from `start` up to and not including `end`, in characters."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """From the start of this to the end of `other`."""
        return Span(self.start, other.end)


class QueryError(Exception):
    """A query that is wrong, with its position; as text, the message and the line with a caret under the place."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.text = ""

    def of(self, text: str) -> "QueryError":
        """The same error, once the query's whole `text` is known."""
        self.text = text
        return self

    @property
    def line(self) -> int:
        """Line of the place, counted from 1."""
        return self.text.count("\n", 0, self.span.start) + 1

    @property
    def column(self) -> int:
        """Column of the place, counted from 1."""
        return self.span.start - (self.text.rfind("\n", 0, self.span.start) + 1) + 1

    def __str__(self) -> str:
        shown = self.text.split("\n")[self.line - 1]
        width = max(1, min(self.span.end - self.span.start, len(shown) - self.column + 1))
        # A tab stays a tab, so that the caret stands under its place.
        lead = "".join(character if character == "\t" else " " for character in shown[: self.column - 1])
        return f"line {self.line}, column {self.column}: {self.message}\n  {shown}\n  {lead}{'^' * width}"


class NotInSubsetError(QueryError):
    """A query that CloudWatch may well run, and that can't be run here with the certainty of the same answer."""
