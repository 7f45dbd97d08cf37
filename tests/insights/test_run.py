"""Answers hold for any lines: compared with what plain Python makes of the same lines."""

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from insights import parse, run
from tests.insights import END, START, answer, line, minutes, rows

# Each run opens a database of its own, which takes a tenth of a second.
FEW = settings(max_examples=25, deadline=None)

EVENTS = st.sampled_from(["request", "job_succeeded", "job failed's", ""])
DEEP = EVENTS.map(lambda event: {"x": [event]})
NUMBERS = st.integers(-50, 50) | st.floats(-1e6, 1e6, allow_nan=False) | st.just(1e-05)
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional={"event": EVENTS, "n": NUMBERS, "ok": st.booleans(), "deep": DEEP}),
    max_size=12,
)


@FEW
@given(RECORDS, EVENTS, st.integers(-50, 50))
def test_filter_and_count_are_those_of_python(records: list[dict[str, object]], event: str, bound: int) -> None:
    quoted = event.replace("'", "\\'")
    [(count,)] = rows(f"filter event = '{quoted}' and not n > {bound} | stats count(*)", minutes(*records))

    def is_over(value: object) -> bool:
        return isinstance(value, int | float) and value > bound

    assert count == sum(record.get("event") == event and not is_over(record.get("n")) for record in records)


@FEW
@given(RECORDS)
def test_groups_are_those_of_python(records: list[dict[str, object]]) -> None:
    found = rows("stats count(*), sum(ok), count(n) by event, deep.x.0", minutes(*records))

    def key(record: dict[str, object]) -> tuple[object, object]:
        deep = record.get("deep")
        return record.get("event"), deep["x"][0] if isinstance(deep, dict) else None

    counted = Counter(map(key, records))
    assert {row[:2]: row[2] for row in found} == counted
    for event, deep, _, sum_ok, count_n in found:
        group = [record for record in records if key(record) == (event, deep)]
        marked = [record["ok"] for record in group if "ok" in record]
        assert sum_ok == (sum(map(bool, marked)) if marked else None)
        assert count_n == sum("n" in record for record in group)


@FEW
@given(st.lists(NUMBERS, max_size=10))
def test_numbers_sort_as_numbers(numbers: list[float]) -> None:
    found = rows("fields n + 0 as m | sort n desc | display m", minutes(*({"n": number} for number in numbers)))
    assert [row[0] for row in found] == sorted(numbers, reverse=True)


@FEW
@given(st.lists(st.sampled_from("abc") | st.none(), max_size=10))
def test_dedup_keeps_the_newest_of_each_and_all_that_lack_the_field(keys: list[str | None]) -> None:
    lines = minutes(*({"key": key, "at": at} for at, key in enumerate(keys)))
    newest = {at for at, key in enumerate(keys) if key is None or key not in keys[at + 1 :]}
    assert [row[0] for row in rows("fields at | dedup key", lines)] == [str(at) for at in sorted(newest, reverse=True)]


def test_without_limit_there_are_ten_thousand_rows_and_the_newest_of_them() -> None:
    lines = [
        line(f"10:00:{second:02}.{millisecond:03}", f"{second}.{millisecond}")
        for second in range(11)
        for millisecond in range(1000)
    ]
    found = rows("fields @message", lines)
    assert len(found) == 10_000
    assert (found[0], found[-1]) == (("10.999",), ("1.0",))


def test_without_fields_the_time_and_the_text_are_shown_and_what_parse_found() -> None:
    result = answer('parse @message "user *" as user', minutes("user ann"))
    assert result.columns == ("@timestamp", "@message", "user")
    assert result.rows == (("2024-05-01 10:00:00.000", "user ann", "ann"),)


def test_only_the_lines_of_the_time_span_count_and_both_ends_belong_to_it() -> None:
    lines = [line(at, at) for at in ("10:00", "10:01", "10:02", "10:03")]
    start, end = datetime(2024, 5, 1, 10, 1, tzinfo=UTC), datetime(2024, 5, 1, 10, 2, tzinfo=UTC)
    assert run(parse("fields @message"), lines, start=start, end=end).rows == (("10:02",), ("10:01",))


def test_the_ends_of_the_time_span_are_exact() -> None:
    lines = [line(at, at) for at in ("10:01:00.000", "10:01:00.001", "10:01:00.002")]
    start = datetime(2024, 5, 1, 10, 1, 0, 500, tzinfo=UTC)
    for end, newest in ((datetime(2024, 5, 1, 10, 1, 0, 1001, tzinfo=UTC), "001"), (END, "002")):
        found = run(parse("sort @timestamp asc | display @message"), lines, start=start, end=end).rows
        assert (found[0], found[-1]) == (("10:01:00.001",), (f"10:01:00.{newest}",))


def test_system_fields_say_where_a_line_is_from() -> None:
    lines = [line("10:00", "x", group="/ecs/gpu", stream="worker/1")]
    assert rows("fields @log, @logStream, @ingestionTime", lines) == [("000000000000:/ecs/gpu", "worker/1", None)]


def test_names_differ_by_case_and_may_hold_what_sql_would_take_amiss() -> None:
    lines = minutes({"jobId": "a", "JobID": "b", 'x" FROM lines; --': "c", "select": "d"})
    assert rows('fields jobId, JobID, `x" FROM lines; --`, select as `order`', lines) == [("a", "b", "c", "d")]
    assert rows("filter jobId = '\\' OR 1=1 --' | stats count(*) as n", lines) == [(0,)]


def test_a_name_made_by_the_query_hides_the_field_from_then_on() -> None:
    lines = minutes({"n": 1}, {"n": 2})
    assert rows("fields n * 10 as n | filter n > 10 | display n", lines) == [(20,)]


def test_pct_is_a_value_that_occurred() -> None:
    lines = minutes(*({"n": n} for n in range(1, 11)))
    assert rows("stats pct(n, 50), pct(n, 90), pct(n, 99), pct(n, 100), pct(n, 0)", lines) == [(5, 9, 10, 10, 1)]


def test_the_first_and_last_by_time_and_by_order() -> None:
    lines = minutes({"v": "b"}, {"v": "10"}, {"v": "a"}, {"v": "9"}, {"v": "c"})
    query = "stats earliest(v), latest(v), sortsFirst(v), sortsLast(v), min(@timestamp) as t"
    assert rows(query, lines) == [("b", "c", "a", "10", "2024-05-01 10:00:00.000")]


def test_a_true_of_the_log_is_one() -> None:
    lines = minutes({"ok": True, "n": 1}, {"ok": False, "n": 2}, {"n": 3})
    assert rows("filter ok = 1 | fields ok, n", lines) == [("1", "1")]
    assert rows("filter ok != 1 | fields ok, n", lines) == [(None, "3"), ("0", "2")]


def test_half_of_a_surrogate_pair_in_a_line_is_no_obstacle() -> None:
    assert rows("fields prompt", [line("10:00", '{"prompt": "a \\ud83d potion"}')]) == [("a ? potion",)]


def test_conditions_choose_values() -> None:
    lines = minutes({"s": 200}, {"s": 404}, {"s": 500}, {})
    query = "fields if(s >= 400, 'bad', 'good') as a, case(s >= 500, 'ours', s >= 400, 'theirs') as b | sort s desc"
    assert rows(query, lines) == [("bad", "ours"), ("bad", "theirs"), ("good", None), ("good", None)]


def test_a_query_tells_what_it_reads_and_compares() -> None:
    query = parse(
        """filter event in ["a", "b"] and level != "INFO" and status = 200
        | parse message "job *" as job
        | stats max(seconds) as slowest, count(*) by job, @logStream
        | sort slowest desc"""
    )
    assert query.fields_read == {"event", "level", "status", "message", "seconds"}
    assert query.compared == {"event": {"a", "b"}, "level": {"INFO"}}
    assert query.columns == ("job", "@logStream", "slowest", "count(*)")


def test_no_lines_give_no_rows() -> None:
    assert run(parse("fields a | filter b = 1 | sort a"), [], start=START, end=END).rows == ()
    assert rows("stats count(*) by a", []) == []


def test_what_is_around_a_star_may_be_any_text() -> None:
    lines = minutes("über [(x).^$|?+{}\\] “y”")
    assert rows("parse @message 'über [(*).^$|?+{}\\\\] “*”' as a, b | display a, b", lines) == [("x", "y")]


def test_groups_are_counted_past_brackets_in_sets_of_characters() -> None:
    assert rows(r"parse @message /[[:alpha:](]+(\(|(?<n>\d))/ | display n", minutes("ab(5")) == [("5",)]


def test_a_list_may_hold_numbers_below_zero() -> None:
    assert rows("filter n in [-5, 'x'] | display n", minutes({"n": -5}, {"n": 5}, {"n": "x"})) == [("x",), ("-5",)]


def test_what_only_python_takes_for_json_has_no_fields() -> None:
    assert rows("display n", minutes('{"n": NaN}', '{"n": 1}')) == [("1",), (None,)]


def test_a_time_beyond_the_calendar_is_missing() -> None:
    assert rows("fields fromMillis(n) as t", minutes({"n": 1e300}, {"n": 0})) == [("1970-01-01 00:00:00.000",), (None,)]


def test_a_star_takes_as_little_as_it_can_and_the_last_one_the_rest() -> None:
    query = 'parse @message "a=*, b=*" as a, b | display a, b'
    assert rows(query, minutes("x a=1, b=2, b=3\nmore")) == [("1", "2, b=3\nmore")]
    assert rows('parse @message "<*>" as a | display a', minutes("<1> <2>")) == [("1",)]
