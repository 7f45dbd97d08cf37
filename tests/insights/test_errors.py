"""A query that is wrong says where, and what would be right."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights import NotInSubsetError, QueryError, parse
from tests.insights import minutes, rows

WRONG = [
    ("", 1, 1, "the query is empty"),
    ("stat count(*)", 1, 1, "found 'stat' where a command (fields, display,"),
    ("fields @timestamp |", 1, 20, "found the end of the query where a command"),
    ("fields a b", 1, 10, "found 'b' where a pipe"),
    ("fields a,\n  | limit 3", 2, 3, "found '|' where a field, a value or a function belongs"),
    ("filter a = ", 1, 12, "found the end of the query where a field, a value or a function belongs"),
    ("filter (a = 1", 1, 14, "the closing bracket"),
    ('filter a = "x', 1, 12, 'this text has no " at its end'),
    ("filter a like /x", 1, 15, "no slash at its end"),
    ("filter a like /(x/", 1, 15, "this regular expression does not work: missing ): (x"),
    ("filter a like b", 1, 15, "a regular expression between slashes or a quoted text"),
    ("filter a", 1, 8, "compare the field"),
    ("filter a + 1", 1, 8, "a condition is needed here, and this is a number"),
    ("filter a = true", 1, 12, "write 1, with a false 0"),
    ("filter a in 3", 1, 13, "a list such as [200, 404]"),
    ("filter not", 1, 11, "a field, a value or a function"),
    ("filter 1 < a < 3", 1, 14, "`and`, `or` or the end of the condition"),
    ("filter a = 1 & b = 2", 1, 14, "'&' has no meaning here"),
    ('filter @timestamp = "2024-05-01"', 1, 21, "compare toMillis(...)"),
    ("filter @timestamp > 5", 1, 21, "a time is needed here"),
    ("fields foo(1)", 1, 8, "there is no function foo"),
    ("fields abs(1, 2)", 1, 8, "abs takes 1 arguments, not 2"),
    ("fields count(*)", 1, 8, "count belongs in stats"),
    ("fields 5x as a", 1, 8, "'5x' is no period"),
    ("stats a by b", 1, 7, "after stats there is no a; what stats made is there: b"),
    ("stats b by b", 1, 1, "stats needs an aggregate"),
    ("stats sum(max(a))", 1, 11, "max belongs in stats"),
    ("stats pct(a)", 1, 7, "pct takes 2 arguments"),
    ("stats pct(a, 101)", 1, 14, "a number from 0 to 100"),
    ("stats count(*) as n | sort m", 1, 28, "after stats there is no m; what stats made is there: n"),
    ("stats count(*) | sort count(*)", 1, 23, "count belongs in stats; elsewhere, use the name"),
    ("sort a downwards", 1, 8, "found 'downwards' where a pipe"),
    ("limit many", 1, 7, "a number of rows from 1 to 100,000"),
    ("limit 0", 1, 7, "a number of rows from 1 to 100,000"),
    ('parse @message "no star" as a', 1, 16, "no * to take a value from"),
    ('parse @message "* and *" as a', 1, 29, "has 2 * and 1 names"),
    ('parse @message "*"', 1, 19, "`as` and a name for each *"),
    ("parse @message /(x)/", 1, 16, "no named group"),
    ("parse @message /(?<a>x)(?<a>y)/", 1, 16, "the same name"),
    ("fields a as by", 1, 13, "a field of that name goes in backticks"),
    ("fields bin(a)", 1, 12, "a period such as 5m belongs here"),
    ("fields datefloor(a, 5m)", 1, 18, "a time is needed here"),
    ('filter a = "a" and\n\n  # not here\n  b == 3', 4, 6, "a field, a value or a function"),
    ("stats count(*) by bin(5m) | sort bin(5m)", 1, 34, "what stats made is there: `bin(5m)`, `count(*)`"),
    # More than the recursion limit, also in a process in which a library has raised it.
    ("filter " + 20_000 * "(" + "a = 1" + 20_000 * ")", 1, 1, "nested too deeply"),
]


@pytest.mark.parametrize(("query", "number", "column", "message"), WRONG, ids=[wrong[-1] for wrong in WRONG])
def test_an_error_has_its_position_and_says_what_would_be_right(
    query: str, number: int, column: int, message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (number, column)
    assert not isinstance(caught.value, NotInSubsetError)


def test_an_error_shows_the_line_with_a_mark_under_the_place() -> None:
    with pytest.raises(QueryError) as caught:
        parse("fields @timestamp\n| stats median(a) by b")
    assert str(caught.value) == (
        "line 2, column 9: there is no function median\n  | stats median(a) by b\n          ^^^^^^^^^"
    )


UNCERTAIN = [
    ('filter a > "x"', 12, "which texts are > others is not documented"),
    ("fields concat(a, 1 + 1)", 18, "how CloudWatch writes a number as a text"),
    ("fields 2 ^ 3 ^ 2", 8, "put brackets"),
    (r'filter a = "\d"', 13, "what CloudWatch makes of \\d"),
    ("stats count(a = 1)", 13, "write sum(...)"),
    ("limit 5 | filter a = 1", 11, "what this does after limit"),
    ("stats count(*) as n | fields n * 2 as m", 23, "end the query with display"),
    ("stats count(*) by a | dedup a", 23, "put sort before dedup"),
    ("fields a | sort a | sort b", 21, "a second sort"),
    ("fields @unknown", 8, "does not find @unknown in lines"),
    ("stats count(*) by bin(7m)", 23, "does not divide 60m evenly"),
    ("fields substr(a, -1)", 18, "whole numbers from 0"),
    ("stats count(*) as a by a", 7, "another column has the name a"),
    ("fields a as x, b as x", 16, "another column has the name x"),
    ("filter a like /(?!x)y/", 15, "can't be run here"),
    (r"filter a like /(x)\1/", 15, "can't be run here"),
    (r"parse a /\Q(\E(?<x>.)/", 9, "backslash before each character"),
    ("filter a like /(?i)ä/", 15, "letters beyond a to z"),
    ("filter a = 9007199254740993", 12, "not told apart"),
]


@pytest.mark.parametrize(("query", "column", "message"), UNCERTAIN)
def test_what_the_documentation_leaves_open_is_refused(query: str, column: int, message: str) -> None:
    with pytest.raises(NotInSubsetError) as caught:
        parse(query)
    assert message in caught.value.message
    assert caught.value.column == column


def test_a_quoted_number_is_no_match_for_a_number_of_the_log_and_says_so() -> None:
    query = 'filter status = "200"'
    assert rows("fields status | " + query, minutes({"status": "200"}, {"status": "404"})) == [("200",)]
    with pytest.raises(NotInSubsetError) as caught:
        rows(query, minutes({"status": 200}))
    assert caught.value.column == 17
    assert "write it without quotes" in caught.value.message


def test_values_that_make_the_answer_uncertain_stop_the_query_at_their_place() -> None:
    with pytest.raises(NotInSubsetError) as caught:
        rows("stats count(*),\n  max(level) by event", minutes({"level": "INFO", "event": "a"}))
    assert (caught.value.line, caught.value.column) == (2, 7)
    assert "sortsLast" in caught.value.message
    with pytest.raises(NotInSubsetError, match="ispresent"):
        rows("stats latest(state)", minutes({"state": "idle"}, {"other": 1}))
    with pytest.raises(NotInSubsetError, match="two texts"):
        rows("filter a < b", minutes({"a": "x", "b": "y"}))
    with pytest.raises(NotInSubsetError, match="write 1"):
        rows("filter ok = 'true'", minutes({"ok": True}))
    with pytest.raises(NotInSubsetError, match="an object or a list"):
        rows("filter ispresent(error)", minutes({"error": "text"}, {"error": {"code": 1}}))


WORDS = st.sampled_from(
    [
        *("fields", "filter", "stats", "sort", "parse", "limit", "dedup", "display", "|", ",", "(", ")", "[", "]", "a"),
        *("by", "@timestamp", "count(*)", "bin(5m)", "as", "and", "not", "in", "like", "/x/", '"x*"', "5", "=", "*"),
        *("-", "^", "`b c`", "desc", "max(", "if(", "true", "@x", "'", "#", "\n", "é"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_no_text_is_answered_with_anything_but_a_query_or_an_error_that_lies_in_it(text: str) -> None:
    error: QueryError | None = None
    try:
        parse(text)
    except QueryError as caught:
        error = caught
    if error is not None:
        assert 0 <= error.span.start <= len(text)
        assert str(error).startswith(f"line {error.line}, column {error.column}: ")
