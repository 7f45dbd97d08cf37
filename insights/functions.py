"""The functions of expressions, and what each is in SQL."""

from dataclasses import dataclass
from typing import Final

from insights.values import Type


@dataclass(frozen=True)
class Function:
    """What a function takes and gives; in `sql`, {0} is the first argument. ANY takes everything as it is."""

    takes: tuple[Type, ...]
    gives: Type
    sql: str


_ANY, _TEXT, _NUMBER, _BOOLEAN, _TIME = Type.ANY, Type.TEXT, Type.NUMBER, Type.BOOLEAN, Type.TIME
_SPACE: Final = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"

# From the year 1 to 9999.
_MILLIS: Final = "-62135596800000 AND 253402300799999"

# The parameter that holds the time at which the query runs, in seconds since 1970 UTC.
NOW: Final = "$now"

# By name in lower case and number of arguments. What needs more than a template is in `calls`.
FUNCTIONS: Final = {
    ("abs", 1): Function((_NUMBER,), _NUMBER, "abs({0})"),
    ("ceil", 1): Function((_NUMBER,), _NUMBER, "ceil({0})"),
    ("floor", 1): Function((_NUMBER,), _NUMBER, "floor({0})"),
    ("log", 1): Function((_NUMBER,), _NUMBER, "CASE WHEN {0} > 0 THEN ln({0}) END"),
    ("sqrt", 1): Function((_NUMBER,), _NUMBER, "CASE WHEN {0} >= 0 THEN sqrt({0}) END"),
    ("round", 1): Function((_NUMBER,), _NUMBER, "round({0})"),
    ("round", 2): Function((_NUMBER, _NUMBER), _NUMBER, "round({0}, ({1})::INTEGER)"),
    ("tonumber", 1): Function((_NUMBER,), _NUMBER, "{0}"),
    ("todouble", 1): Function((_NUMBER,), _NUMBER, "{0}"),
    ("isnumeric", 1): Function((_TEXT,), _BOOLEAN, "(number_of({0}) IS NOT NULL)"),
    ("ispresent", 1): Function((_ANY,), _BOOLEAN, "({0} IS NOT NULL)"),
    ("tomillis", 1): Function((_TIME,), _NUMBER, "({0})::DOUBLE"),
    ("frommillis", 1): Function((_NUMBER,), _TIME, f"CASE WHEN {{0}} BETWEEN {_MILLIS} THEN floor({{0}})::BIGINT END"),
    ("now", 0): Function((), _NUMBER, NOW),
    ("isempty", 1): Function((_TEXT,), _BOOLEAN, "coalesce({0} = '', true)"),
    ("isblank", 1): Function((_TEXT,), _BOOLEAN, "coalesce(regexp_full_match({0}, '\\s*'), true)"),
    ("trim", 1): Function((_TEXT,), _TEXT, f"trim({{0}}, {_SPACE})"),
    ("trim", 2): Function((_TEXT, _TEXT), _TEXT, "trim({0}, {1})"),
    ("ltrim", 1): Function((_TEXT,), _TEXT, f"ltrim({{0}}, {_SPACE})"),
    ("ltrim", 2): Function((_TEXT, _TEXT), _TEXT, "ltrim({0}, {1})"),
    ("rtrim", 1): Function((_TEXT,), _TEXT, f"rtrim({{0}}, {_SPACE})"),
    ("rtrim", 2): Function((_TEXT, _TEXT), _TEXT, "rtrim({0}, {1})"),
    ("strlen", 1): Function((_TEXT,), _NUMBER, "length({0})::DOUBLE"),
    ("toupper", 1): Function((_TEXT,), _TEXT, "upper({0})"),
    ("tolower", 1): Function((_TEXT,), _TEXT, "lower({0})"),
    ("replace", 3): Function((_TEXT, _TEXT, _TEXT), _TEXT, "replace({0}, {1}, {2})"),
    ("strcontains", 2): Function((_TEXT, _TEXT), _BOOLEAN, "coalesce(contains({0}, {1}), false)"),
    ("startswith", 2): Function((_TEXT, _TEXT), _BOOLEAN, "coalesce(starts_with({0}, {1}), false)"),
    ("endswith", 2): Function((_TEXT, _TEXT), _BOOLEAN, "coalesce(ends_with({0}, {1}), false)"),
}

# Of any number of arguments.
NUMBERS_FUNCTIONS: Final = frozenset({"greatest", "least"})
SPECIAL_FUNCTIONS: Final = frozenset(
    {"bin", "datefloor", "dateceil", "coalesce", "concat", "if", "case", "substr"} | NUMBERS_FUNCTIONS
)

AGGREGATES: Final = frozenset(
    {"count", "count_distinct", "sum", "avg", "min", "max", "pct", "earliest", "latest", "sortsfirst", "sortslast"}
)

# In CloudWatch's documentation, in lower case, and not translated here.
FUNCTIONS_ELSEWHERE: Final = frozenset(
    {
        *("haversine", "toint", "tolong", "parsedate", "formatdate", "strftime", "messagesize", "querystarttime"),
        *("queryendtime", "querytimerange", "jsonparse", "jsonstringify", "jsonarraysize", "jsonarraycontains"),
        *("isvalidip", "isvalidipv4", "isvalidipv6", "isipinsubnet", "isipv4insubnet", "isipv6insubnet"),
        *("ipv4tonumber", "isprivateip", "ispublicip", "isreservedip", "regexreplace", "urlencode", "urldecode"),
        *("base64encode", "base64decode", "split", "hextoascii", "hextodec", "dectohex"),
    }
)
